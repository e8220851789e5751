// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

// For tests and fuzz targets only.

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace serving::protocol {

// Exactly as large as asked for plus the padding, so that a sanitizer sees one byte too far.
class HeapBuffer final : public base::Buffer {
 public:
  HeapBuffer(size_t bytes, size_t* alive)
      : base::Buffer(static_cast<std::byte*>(::operator new(
                         bytes + base::kBufferPadding, std::align_val_t(base::kBufferAlignment))),
                     bytes, base::MemoryKind::kHost, 0),
        alive_(alive) {
    ++*alive_;
  }
  ~HeapBuffer() override {
    ::operator delete(data_, std::align_val_t(base::kBufferAlignment));
    --*alive_;
  }

 private:
  size_t* alive_;
};

// Refuses once `allow` bytes have been given out.
class HeapAllocator final : public base::BufferAllocator {
 public:
  base::BufferRef Allocate(size_t bytes) override {
    if (bytes > allow) return nullptr;
    allow -= bytes;
    largest = std::max(largest, bytes);
    return base::MakeRef<HeapBuffer>(bytes, &alive);
  }
  base::BufferRef Reserve(size_t bytes) override { return Allocate(bytes); }

  // A body that holds `text`.
  base::BufferRef Hold(std::string_view text) {
    base::BufferRef body = base::MakeRef<HeapBuffer>(text.size(), &alive);
    std::memcpy(body->data(), text.data(), text.size());
    std::memset(body->data() + text.size(), 0x5A, base::kBufferPadding);
    return body;
  }

  size_t allow = std::numeric_limits<size_t>::max();
  size_t largest = 0;
  size_t alive = 0;
};

inline std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace serving::protocol
