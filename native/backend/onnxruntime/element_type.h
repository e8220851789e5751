// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>

#include "tensor/data_type.h"

namespace serving::backend::ort {

// The element type that ONNX numbers so (TensorProto.DataType); nothing for those KServe v2 does
// not have.
std::optional<tensor::DataType> FromElementType(int onnx_type);
int ToElementType(tensor::DataType type);
// `FLOAT16`, `COMPLEX64` and so on; `type 40` for numbers newer than this list.
std::string ElementTypeName(int onnx_type);

}  // namespace serving::backend::ort
