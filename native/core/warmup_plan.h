// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor_view.h"

namespace serving::core {

// Mirrors src/addon/model-plan.ts.

// One input of a warm-up request.
struct WarmupInput {
  enum class Source : uint8_t { kZero, kRandom, kBytes };

  std::string name;
  tensor::DataType data_type = tensor::DataType::kFp32;
  tensor::Shape dims;  // without the batch dimension, none of them free
  Source source = Source::kZero;
  std::string bytes;  // of kBytes: one row, BYTES with their lengths
};

// Requests that every instance runs before its version serves anybody.
struct WarmupSample {
  std::string name;
  int64_t batch_size = 1;  // requests of one row each, executed together
  int64_t count = 1;       // times
  std::vector<WarmupInput> inputs;
};

}  // namespace serving::core
