// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/buffer.h"

namespace serving::net {

// A block that small writes are gathered in. References are counted, for part of a chunk may pass
// from one queue to another; all of them live on one I/O thread.
class OutputChunk final : public base::Buffer {
 public:
  size_t used = 0;

 private:
  friend class ChunkPool;
  OutputChunk(class ChunkPool& pool, std::byte* data, size_t size)
      : Buffer(data, size, base::MemoryKind::kHost, 0), pool_(pool) {}
  ~OutputChunk() override;
  void Dispose() override;
  using RefCounted::Revive;

  class ChunkPool& pool_;
};

// Chunks of two sizes, kept for reuse up to a bound.
//
// Threads: one, and so for the chunks. Outlives them.
class ChunkPool {
 public:
  static constexpr size_t kSmall = 1024;
  static constexpr size_t kLarge = 16 * 1024;

  ChunkPool() = default;
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  ~ChunkPool();

  base::Ref<OutputChunk> Take(size_t size);

 private:
  friend class OutputChunk;
  static constexpr size_t kKeepBytes = 4 << 20;

  void GiveBack(OutputChunk* chunk);

  std::vector<OutputChunk*> small_;
  std::vector<OutputChunk*> large_;
  size_t kept_bytes_ = 0;
};

enum class WriteResult : uint8_t { kEmpty, kBlocked, kLimit, kFailed };

// Bytes on their way out, in order: copies of small ones, references to large ones.
//
// Threads: one. Owns: references to the Buffers that still hold unsent bytes.
class OutputQueue {
 public:
  // The first chunk has `first_chunk` bytes, later ones ChunkPool::kLarge.
  explicit OutputQueue(ChunkPool& pool, size_t first_chunk = ChunkPool::kLarge)
      : pool_(pool), first_chunk_(first_chunk) {}
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;

  bool empty() const { return queued_ == taken_; }
  // Bytes waiting.
  size_t size() const { return static_cast<size_t>(queued_ - taken_); }
  // Bytes waiting that were copied here.
  size_t copied_size() const { return copied_; }
  // Bytes ever put in and ever taken out: positions for whoever wants to know when its bytes have
  // left.
  uint64_t queued() const { return queued_; }
  uint64_t taken() const { return taken_; }

  void Append(std::span<const std::byte> bytes);
  void AppendBuffer(base::BufferRef owner, std::span<const std::byte> bytes);
  // Moves the first `n` (at most size()) bytes to the end of `to`: short ones are copied, long ones
  // change hands.
  void MoveTo(OutputQueue& to, size_t n);
  void Clear();

  // Writes to a non-blocking socket until nothing is left, the socket is full, or `max_bytes` were
  // written.
  WriteResult WriteTo(int fd, size_t max_bytes);
  // Points `out` at the first waiting bytes; returns the number of entries used.
  size_t Gather(std::span<iovec> out) const;
  // Drops the first `n` (at most size()) bytes.
  void Consume(size_t n);

 private:
  // Part of a buffer. `is_copy`: the buffer is a chunk of ours.
  struct Segment {
    base::BufferRef owner;
    const std::byte* data;
    size_t size;
    bool is_copy;
  };
  // Where moving a reference is cheaper than copying the bytes.
  static constexpr size_t kCopyBelow = 2048;

  void PushCopy(base::Ref<OutputChunk> chunk, const std::byte* data, size_t size);
  void DropFront();

  ChunkPool& pool_;
  const size_t first_chunk_;
  std::vector<Segment> segments_;
  size_t front_ = 0;             // first live segment
  base::Ref<OutputChunk> tail_;  // chunk with room, the end of the last segment if that is a copy
  uint64_t queued_ = 0;
  uint64_t taken_ = 0;
  size_t copied_ = 0;
};

}  // namespace serving::net
