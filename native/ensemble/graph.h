// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <vector>

#include "core/model_plan.h"

namespace serving::ensemble {

// Who reads what, worked out once from an EnsemblePlan.
struct Graph {
  explicit Graph(const core::EnsemblePlan& plan);

  // The steps that lead to the outputs wanted, 1 for each; `wanted` has a place for each output.
  std::vector<uint8_t> StepsFor(const core::EnsemblePlan& plan,
                                const std::vector<uint8_t>& wanted) const;

  std::vector<std::vector<uint32_t>> readers;  // by tensor: steps, each once
  std::vector<std::vector<uint32_t>> reads;    // by step: tensors, each once
  std::vector<std::vector<uint32_t>> slots;    // by tensor: outputs of the ensemble
};

}  // namespace serving::ensemble
