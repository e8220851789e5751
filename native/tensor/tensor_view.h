// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/buffer.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace serving::tensor {

// Looks at bytes somewhere; never owns them.
struct TensorView {
  const std::byte* data = nullptr;
  size_t size = 0;
  base::MemoryKind kind = base::MemoryKind::kHost;
  int32_t device = 0;
};

// Name, type and dimensions of one input or output as a model declares it (dims without the batch
// dimension).
struct TensorDescriptor {
  std::string name;
  DataType data_type = DataType::kFp32;
  Shape dims;
};

}  // namespace serving::tensor
