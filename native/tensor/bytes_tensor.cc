// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "tensor/bytes_tensor.h"

#include <cstring>

namespace serving::tensor {
namespace {

constexpr size_t kLengthBytes = 4;

}  // namespace

std::optional<std::string_view> BytesReader::Next() {
  if (rest_.size() < kLengthBytes) return std::nullopt;
  uint32_t length;
  std::memcpy(&length, rest_.data(), kLengthBytes);
  if (length > rest_.size() - kLengthBytes) return std::nullopt;
  const std::string_view element(reinterpret_cast<const char*>(rest_.data()) + kLengthBytes,
                                 length);
  rest_ = rest_.subspan(kLengthBytes + length);
  return element;
}

std::optional<size_t> CountBytesElements(std::span<const std::byte> data) {
  BytesReader reader(data);
  size_t count = 0;
  size_t used = 0;
  while (const auto element = reader.Next()) {
    ++count;
    used += kLengthBytes + element->size();
  }
  if (used != data.size()) return std::nullopt;
  return count;
}

std::optional<size_t> BytesPrefixSize(std::span<const std::byte> data, size_t count) {
  BytesReader reader(data);
  size_t used = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto element = reader.Next();
    if (!element) return std::nullopt;
    used += kLengthBytes + element->size();
  }
  return used;
}

void AppendBytesElement(std::string& out, std::string_view element) {
  const auto length = static_cast<uint32_t>(element.size());
  out.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  out.append(element);
}

}  // namespace serving::tensor
