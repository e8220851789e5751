// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace serving::protocol {

// Protocol Buffers wire format (protobuf.dev/programming-guides/encoding): reading in place and
// writing, bounds checked, without allocation. Little-endian hosts only, as the tensors on the wire
// are.

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroupStart = 3,
  kGroupEnd = 4,
  kFixed32 = 5,
};

struct Tag {
  uint32_t field;
  WireType type;

  // A field of another wire type than the message declares is an unknown field, to be skipped.
  bool Is(uint32_t number, WireType wire_type) const {
    return field == number && type == wire_type;
  }
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool AtEnd() const { return at_ == end_; }

  // Nothing for tags over 5 bytes, field number 0 and the unused wire types 6 and 7.
  std::optional<Tag> ReadTag() {
    const auto value = ReadVarintOf(5);
    if (!value) return std::nullopt;
    const auto tag = static_cast<uint32_t>(*value);
    if (tag >> 3 == 0 || (tag & 7) > 5) return std::nullopt;
    return Tag{tag >> 3, static_cast<WireType>(tag & 7)};
  }

  // Bits beyond the 64th are dropped, as protobuf does.
  std::optional<uint64_t> ReadVarint() { return ReadVarintOf(10); }

  std::optional<std::span<const std::byte>> ReadBytes() {
    const auto size = ReadVarint();
    if (!size || *size > static_cast<size_t>(end_ - at_)) return std::nullopt;
    const std::span<const std::byte> bytes(at_, static_cast<size_t>(*size));
    at_ += bytes.size();
    return bytes;
  }

  template <typename T>
  std::optional<T> ReadFixed() {
    if (static_cast<size_t>(end_ - at_) < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  // Passes over the value behind `tag`. False when it is cut off or a group does not end.
  bool Skip(Tag tag) {
    switch (tag.type) {
      case WireType::kVarint:
        return ReadVarint().has_value();
      case WireType::kFixed64:
        return ReadFixed<uint64_t>().has_value();
      case WireType::kBytes:
        return ReadBytes().has_value();
      case WireType::kGroupStart:
        return SkipGroup(tag.field);
      case WireType::kGroupEnd:
        return false;
      case WireType::kFixed32:
        return ReadFixed<uint32_t>().has_value();
    }
    return false;
  }

 private:
  static constexpr size_t kMaxGroupDepth = 100;  // protobuf's own recursion limit

  std::optional<uint64_t> ReadVarintOf(int max_bytes) {
    // Nearly all tags, lengths and dimensions are one byte.
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) return static_cast<uint8_t>(*at_++);
    uint64_t value = 0;
    for (int i = 0; i < max_bytes && at_ != end_; ++i) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  bool SkipGroup(uint32_t field) {
    uint32_t open[kMaxGroupDepth];
    size_t depth = 0;
    open[depth++] = field;
    while (depth > 0) {
      const auto tag = ReadTag();
      if (!tag) return false;
      if (tag->type == WireType::kGroupStart) {
        if (depth == kMaxGroupDepth) return false;
        open[depth++] = tag->field;
      } else if (tag->type == WireType::kGroupEnd) {
        if (open[--depth] != tag->field) return false;
      } else if (!Skip(*tag)) {
        return false;
      }
    }
    return true;
  }

  const std::byte* at_;
  const std::byte* end_;
};

inline size_t VarintSize(uint64_t value) {
  // 7 bits a byte: ceil(bits / 7) with bits in 1 … 64.
  const int bits = 64 - __builtin_clzll(value | 1);
  return static_cast<size_t>((bits * 9 + 64) / 64);
}

// Size of a length-delimited field with a field number under 16: tag, length, content.
inline size_t BytesFieldSize(size_t content) { return 1 + VarintSize(content) + content; }

// Writes at a place that is known to be large enough; sizes come from the functions above.
class WireWriter {
 public:
  explicit WireWriter(char* at) : at_(at) {}

  char* at() const { return at_; }
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      *at_++ = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    *at_++ = static_cast<char>(value);
  }
  // `field` under 16.
  void Head(uint32_t field, size_t content) {
    *at_++ = static_cast<char>(field << 3 | static_cast<uint32_t>(WireType::kBytes));
    Varint(content);
  }
  void Text(uint32_t field, std::string_view text) {
    Head(field, text.size());
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void VarintField(uint32_t field, uint64_t value) {
    *at_++ = static_cast<char>(field << 3 | static_cast<uint32_t>(WireType::kVarint));
    Varint(value);
  }
  void DoubleField(uint32_t field, double value) {
    *at_++ = static_cast<char>(field << 3 | static_cast<uint32_t>(WireType::kFixed64));
    std::memcpy(at_, &value, sizeof(value));
    at_ += sizeof(value);
  }

 private:
  char* at_;
};

}  // namespace serving::protocol
