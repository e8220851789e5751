// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "cache/siphash.h"
#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::cache {

// What the answer to a validated request depends on: the loaded version (`owner`), the inputs with
// type, shape and bytes, the outputs asked for, and the parameters. Nothing for a request whose
// tensors clients may change meanwhile (shared memory), or that is part of a sequence.
std::optional<Hash128> KeyOf(const core::ModelPlan& plan, const core::InferRequest& request,
                             uint64_t owner, const std::array<uint64_t, 2>& secret);

}  // namespace serving::cache
