// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/output_queue.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

namespace serving::net {

OutputChunk::~OutputChunk() { ::operator delete(data_); }

void OutputChunk::Dispose() { pool_.GiveBack(this); }

ChunkPool::~ChunkPool() {
  for (OutputChunk* chunk : small_) delete chunk;
  for (OutputChunk* chunk : large_) delete chunk;
}

base::Ref<OutputChunk> ChunkPool::Take(size_t size) {
  std::vector<OutputChunk*>& kept = size == kSmall ? small_ : large_;
  if (!kept.empty()) {
    OutputChunk* const chunk = kept.back();
    kept.pop_back();
    kept_bytes_ -= size;
    chunk->used = 0;
    chunk->Revive();
    return base::Ref<OutputChunk>::Adopt(chunk);
  }
  auto* const data = static_cast<std::byte*>(::operator new(size));
  return base::Ref<OutputChunk>::Adopt(new OutputChunk(*this, data, size));
}

void ChunkPool::GiveBack(OutputChunk* chunk) {
  if (kept_bytes_ + chunk->capacity() > kKeepBytes) {
    delete chunk;
    return;
  }
  kept_bytes_ += chunk->capacity();
  (chunk->capacity() == kSmall ? small_ : large_).push_back(chunk);
}

void OutputQueue::PushCopy(base::Ref<OutputChunk> chunk, const std::byte* data, size_t size) {
  copied_ += size;
  queued_ += size;
  if (front_ < segments_.size()) {
    Segment& last = segments_.back();
    if (last.is_copy && last.data + last.size == data && last.owner.get() == chunk.get()) {
      last.size += size;
      return;
    }
  }
  segments_.push_back({std::move(chunk), data, size, true});
}

void OutputQueue::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (!tail_ || tail_->used == tail_->capacity()) {
      const bool is_first = front_ == segments_.size() && bytes.size() <= first_chunk_;
      tail_ = pool_.Take(is_first ? first_chunk_ : ChunkPool::kLarge);
    }
    const size_t n = std::min(bytes.size(), tail_->capacity() - tail_->used);
    std::byte* const to = tail_->data() + tail_->used;
    std::memcpy(to, bytes.data(), n);
    tail_->used += n;
    PushCopy(tail_, to, n);
    bytes = bytes.subspan(n);
  }
}

void OutputQueue::AppendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  queued_ += bytes.size();
  segments_.push_back({std::move(owner), bytes.data(), bytes.size(), false});
}

void OutputQueue::MoveTo(OutputQueue& to, size_t n) {
  while (n > 0) {
    Segment& segment = segments_[front_];
    const size_t part = std::min(n, segment.size);
    if (part < kCopyBelow) {
      to.Append({segment.data, part});
    } else if (segment.is_copy) {
      to.PushCopy(base::Ref<OutputChunk>::Share(static_cast<OutputChunk*>(segment.owner.get())),
                  segment.data, part);
    } else {
      to.AppendBuffer(segment.owner, {segment.data, part});
    }
    n -= part;
    Consume(part);
  }
}

void OutputQueue::Clear() { Consume(size()); }

void OutputQueue::DropFront() {
  segments_[front_].owner.Reset();
  ++front_;
  if (front_ == segments_.size()) {
    front_ = 0;
    segments_.clear();
    tail_.Reset();
    // A burst must not stay in memory with an idle connection.
    if (segments_.capacity() > 256) segments_.shrink_to_fit();
    return;
  }
  // Moving the rest to the front costs as much as was consumed before, so every byte is moved a
  // bounded number of times.
  if (front_ >= 64 && front_ * 2 >= segments_.size()) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(front_));
    front_ = 0;
  }
}

void OutputQueue::Consume(size_t n) {
  taken_ += n;
  while (n > 0) {
    Segment& segment = segments_[front_];
    const size_t part = std::min(n, segment.size);
    if (segment.is_copy) copied_ -= part;
    segment.data += part;
    segment.size -= part;
    n -= part;
    if (segment.size == 0) DropFront();
  }
}

size_t OutputQueue::Gather(std::span<iovec> out) const {
  size_t count = 0;
  for (size_t i = front_; i < segments_.size() && count < out.size(); ++i, ++count) {
    out[count].iov_base = const_cast<std::byte*>(segments_[i].data);
    out[count].iov_len = segments_[i].size;
  }
  return count;
}

WriteResult OutputQueue::WriteTo(int fd, size_t max_bytes) {
  std::array<iovec, 64> parts;  // far below IOV_MAX; more rarely fit into a socket buffer
  size_t written = 0;
  while (!empty()) {
    if (written >= max_bytes) return WriteResult::kLimit;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = Gather(parts);
    const ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? WriteResult::kBlocked : WriteResult::kFailed;
    }
    Consume(static_cast<size_t>(n));
    written += static_cast<size_t>(n);
  }
  return WriteResult::kEmpty;
}

}  // namespace serving::net
