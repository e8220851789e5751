// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

// For the tests of this folder only: protobuf messages put together field by field.

#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

namespace serving::protocol::pb {

inline std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
inline std::string Key(uint32_t field, uint32_t type) { return Varint(field << 3 | type); }
inline std::string Int(uint32_t field, uint64_t value) { return Key(field, 0) + Varint(value); }
inline std::string Text(uint32_t field, std::string_view text) {
  return Key(field, 2) + Varint(text.size()) + std::string(text);
}
template <typename T>
std::string Raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}
inline std::string Packed(uint32_t field, std::initializer_list<uint64_t> values) {
  std::string body;
  for (const uint64_t value : values) body += Varint(value);
  return Text(field, body);
}
inline std::string Double(uint32_t field, double value) { return Key(field, 1) + Raw({value}); }

// InferParameter choices
inline std::string Bool(bool value) { return Int(1, value ? 1 : 0); }
inline std::string Int64(int64_t value) { return Int(2, static_cast<uint64_t>(value)); }
inline std::string String(std::string_view value) { return Text(3, value); }
inline std::string Double(double value) { return Double(4, value); }
inline std::string Uint64(uint64_t value) { return Int(5, value); }

inline std::string Entry(uint32_t field, std::string_view name, std::string_view value) {
  return Text(field, Text(1, name) + Text(2, value));
}
inline std::string Parameter(std::string_view name, std::string_view value) {
  return Entry(4, name, value);
}
inline std::string Input(std::string_view name, std::string_view type,
                         std::initializer_list<uint64_t> shape, std::string_view more = {}) {
  return Text(5, Text(1, name) + Text(2, type) + Packed(3, shape) + std::string(more));
}
inline std::string Contents(std::string_view fields) { return Text(5, fields); }
inline std::string Output(std::string_view name, std::string_view more = {}) {
  return Text(6, Text(1, name) + std::string(more));
}
inline std::string RawInput(std::string_view bytes) { return Text(7, bytes); }

}  // namespace serving::protocol::pb
