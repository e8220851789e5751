// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace serving::tensor {

// Element types of KServe v2, in the order of Triton's enumeration.
enum class DataType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
  kBf16,
};

// Bytes of one element; 0 for kBytes, whose elements carry their own 4-byte length.
size_t ByteSize(DataType type);
// True for FP16 and BF16, which JSON carries only where the server was told so.
constexpr bool IsReal16(DataType type) {
  return type == DataType::kFp16 || type == DataType::kBf16;
}
// `FP32` and so on, as the wire spells it.
std::string_view WireName(DataType type);
std::optional<DataType> ParseWireName(std::string_view name);

}  // namespace serving::tensor
