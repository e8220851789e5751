// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/element_type.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace serving::backend::ort {
namespace {

using tensor::DataType;

struct Entry {
  std::string_view name;
  std::optional<DataType> type;
};

// Index = number in ONNX's TensorProto.DataType.
constexpr std::array<Entry, 24> kTypes{
    {{"UNDEFINED", std::nullopt},      {"FLOAT", DataType::kFp32},
     {"UINT8", DataType::kUint8},      {"INT8", DataType::kInt8},
     {"UINT16", DataType::kUint16},    {"INT16", DataType::kInt16},
     {"INT32", DataType::kInt32},      {"INT64", DataType::kInt64},
     {"STRING", DataType::kBytes},     {"BOOL", DataType::kBool},
     {"FLOAT16", DataType::kFp16},     {"DOUBLE", DataType::kFp64},
     {"UINT32", DataType::kUint32},    {"UINT64", DataType::kUint64},
     {"COMPLEX64", std::nullopt},      {"COMPLEX128", std::nullopt},
     {"BFLOAT16", DataType::kBf16},    {"FLOAT8E4M3FN", std::nullopt},
     {"FLOAT8E4M3FNUZ", std::nullopt}, {"FLOAT8E5M2", std::nullopt},
     {"FLOAT8E5M2FNUZ", std::nullopt}, {"UINT4", std::nullopt},
     {"INT4", std::nullopt},           {"FLOAT4E2M1", std::nullopt}}};

}  // namespace

std::optional<DataType> FromElementType(int onnx_type) {
  if (onnx_type < 0 || static_cast<size_t>(onnx_type) >= kTypes.size()) return std::nullopt;
  return kTypes[static_cast<size_t>(onnx_type)].type;
}

int ToElementType(DataType type) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].type == type) return static_cast<int>(i);
  }
  return 0;
}

std::string ElementTypeName(int onnx_type) {
  if (onnx_type >= 0 && static_cast<size_t>(onnx_type) < kTypes.size()) {
    return std::string(kTypes[static_cast<size_t>(onnx_type)].name);
  }
  return "type " + std::to_string(onnx_type);
}

}  // namespace serving::backend::ort
