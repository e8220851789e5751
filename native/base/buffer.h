// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ref.h"

namespace serving::base {

enum class MemoryKind : uint8_t { kHost, kHostPinned, kDevice };

// Bytes that the SIMD JSON reader may read (never interpret) behind the end of a host buffer.
inline constexpr size_t kBufferPadding = 64;
// Start of every host buffer, so that any element type and any backend of ours can run in place.
inline constexpr size_t kBufferAlignment = 64;

// Reference-counted bytes that go home to the pool, device or runtime they came from when the last
// reference drops, on whatever thread that is.
//
// Threads: the count is atomic; the contents belong to whoever the request's owner is.
class Buffer : public RefCounted {
 public:
  std::byte* data() const { return data_; }
  size_t capacity() const { return capacity_; }
  std::span<std::byte> bytes() const { return {data_, capacity_}; }
  MemoryKind kind() const { return kind_; }
  // Ordinal of the device for kDevice, else 0.
  int32_t device() const { return device_; }
  // A client has the same bytes and may change them at any time (core/client_memory.h).
  bool is_client_memory() const { return is_client_memory_; }

  // Raises what this buffer is charged to at least `bytes` (bytes of the body that have really
  // arrived). False, with nothing changed, when the budget is full. Buffers that were charged at
  // allocation answer true.
  virtual bool ChargeTo(size_t bytes) {
    (void)bytes;
    return true;
  }

 protected:
  Buffer() = default;
  Buffer(std::byte* data, size_t capacity, MemoryKind kind, int32_t device)
      : data_(data), capacity_(capacity), kind_(kind), device_(device) {}

  std::byte* data_ = nullptr;
  size_t capacity_ = 0;
  MemoryKind kind_ = MemoryKind::kHost;
  int32_t device_ = 0;
  bool is_client_memory_ = false;
};

using BufferRef = Ref<Buffer>;

// Where buffers come from. One thread at a time; buffers may be dropped on any thread.
class BufferAllocator {
 public:
  virtual ~BufferAllocator() = default;

  // At least `bytes` charged bytes, aligned to kBufferAlignment, with kBufferPadding readable bytes
  // behind; null when the memory budget is full.
  virtual BufferRef Allocate(size_t bytes) = 0;

  // Address space for a body that a client claims to send: not charged, not touched. The reader
  // charges it with `ChargeTo` as bytes arrive. Null when not even addresses are to be had.
  virtual BufferRef Reserve(size_t bytes) = 0;
};

}  // namespace serving::base
