// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace serving::tensor {

// A BYTES tensor is its elements one after the other, each a 4-byte little-endian length and that
// many bytes.

// Number of elements; nothing when the last one is cut off or a length points behind the end.
std::optional<size_t> CountBytesElements(std::span<const std::byte> data);

// Reads elements in order. The data must have been counted before: a cut element ends the reading.
class BytesReader {
 public:
  explicit BytesReader(std::span<const std::byte> data) : rest_(data) {}
  // Nothing at the end.
  std::optional<std::string_view> Next();

 private:
  std::span<const std::byte> rest_;
};

// Size of the first `count` elements in bytes; nothing when there are fewer.
std::optional<size_t> BytesPrefixSize(std::span<const std::byte> data, size_t count);

void AppendBytesElement(std::string& out, std::string_view element);

}  // namespace serving::tensor
