// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"

namespace serving::protocol {

// True when `message` is a well-formed inference.InferTensorContents.
bool IsTensorContents(std::span<const std::byte> message);

// Converts the typed elements of an input into a buffer kept in `request.kept` and makes it the
// input's data.
//
//   tensor   the serialized InferInputTensor, well-formed; every `contents` in it counts, as
//   protobuf merges them input    index in request.inputs; name, data_type_name and data_type are
//   set
// Integers are cut to the datatype's width, as Triton does.
base::Status TakeTypedContents(std::span<const std::byte> tensor, size_t input,
                               base::BufferAllocator& allocator, core::InferRequest& request);

}  // namespace serving::protocol
