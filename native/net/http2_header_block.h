// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "net/exchange.h"

namespace serving::net {

// The field block of a request while it comes in. Fields over the limit are counted, not kept.
class Http2HeaderBlock {
 public:
  explicit Http2HeaderBlock(size_t max_bytes) : max_bytes_(max_bytes) {}

  void Clear() {
    fields_.clear();
    bytes_ = size_ = 0;
    if (capacity_ <= kKeepBytes) return;
    text_.reset();
    capacity_ = 0;
  }
  void Add(std::string_view name, std::string_view value);
  // More bytes (RFC 9113 §6.5.2) or fields than a request may have.
  bool is_too_large() const { return bytes_ > max_bytes_ || fields_.size() >= kMaxFields; }
  // So much more than allowed that it is an attack on the decompressor.
  bool is_bomb() const { return bytes_ > kBombFactor * max_bytes_; }
  // Method, path, query, content length and headers; `headers` holds the last. Views are valid
  // until the next change.
  void MakeHead(RequestHead& head, std::vector<Header>& headers) const;

 private:
  static constexpr size_t kMaxFields = 512;
  static constexpr size_t kFieldOverhead = 32;
  static constexpr size_t kBombFactor = 16;
  static constexpr size_t kFirstBytes = 512;
  static constexpr size_t kKeepBytes = 4096;

  // The value lies behind the name.
  struct Field {
    uint32_t start;
    uint32_t name_size;
    uint32_t value_size;
  };

  void Grow(size_t more);

  const size_t max_bytes_;
  std::unique_ptr<char[]> text_;  // names and values
  size_t size_ = 0;               // of text_, of capacity_
  size_t capacity_ = 0;
  std::vector<Field> fields_;
  size_t bytes_ = 0;
};

}  // namespace serving::net
