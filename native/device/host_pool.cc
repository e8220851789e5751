// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "device/host_pool.h"

#include <sys/mman.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace serving::device {
namespace {

// From here on a body is address space first and memory as it is written.
constexpr size_t kMapFromBytes = 1 << 20;
constexpr size_t kLargeStepBytes = 64 << 10;

constexpr size_t RoundUp(size_t value, size_t step) { return (value + step - 1) / step * step; }

class AloneBuffer final : public base::Buffer {
 public:
  AloneBuffer(std::byte* data, size_t bytes, std::shared_ptr<base::MemoryBudget> budget)
      : Buffer(data, bytes, base::MemoryKind::kHost, 0), budget_(std::move(budget)) {}

 private:
  ~AloneBuffer() override {
    std::free(data_);
    budget_->Release(capacity_);
  }

  const std::shared_ptr<base::MemoryBudget> budget_;
};

}  // namespace

// One block: this header and, 64-byte aligned behind it (or in a mapping of its own), the bytes.
class HostBuffer final : public base::Buffer {
 public:
  // `capacity` bytes and the padding; null when the system has none.
  static HostBuffer* New(size_t capacity) {
    if (capacity >= kMapFromBytes) return NewMapped(capacity);
    void* block = std::aligned_alloc(
        base::kBufferAlignment,
        RoundUp(kHeaderBytes + capacity + base::kBufferPadding, base::kBufferAlignment));
    if (block == nullptr) return nullptr;
    return new (block) HostBuffer(static_cast<std::byte*>(block) + kHeaderBytes, capacity, 0);
  }

  static void Delete(HostBuffer* buffer) {
    const size_t mapped = buffer->mapped_bytes_;
    std::byte* data = buffer->data_;
    buffer->~HostBuffer();
    if (mapped != 0) munmap(data, mapped);
    std::free(buffer);
  }

  void Open(base::Ref<HostPool> pool, size_t charged) {
    pool_ = std::move(pool);
    charged_ = charged;
    pool_->charged_bytes_.fetch_add(charged, std::memory_order_relaxed);
    next = nullptr;
    Revive();
  }

  bool ChargeTo(size_t bytes) override {
    if (bytes <= charged_) return true;
    if (!pool_->budget_->TryCharge(bytes - charged_)) return false;
    pool_->charged_bytes_.fetch_add(bytes - charged_, std::memory_order_relaxed);
    charged_ = bytes;
    return true;
  }

  HostBuffer* next = nullptr;

 protected:
  void Dispose() override {
    base::Ref<HostPool> pool = std::move(pool_);  // keeps the pool over Return
    pool->budget_->Release(charged_);
    pool->charged_bytes_.fetch_sub(charged_, std::memory_order_relaxed);
    pool->Return(this);
  }

 private:
  static constexpr size_t kHeaderBytes = 128;

  HostBuffer(std::byte* data, size_t capacity, size_t mapped_bytes)
      : Buffer(data, capacity, base::MemoryKind::kHost, 0), mapped_bytes_(mapped_bytes) {
    static_assert(sizeof(HostBuffer) <= kHeaderBytes);
  }
  ~HostBuffer() override = default;

  static HostBuffer* NewMapped(size_t capacity) {
    if (capacity > SIZE_MAX / 2) return nullptr;
    const size_t mapped = RoundUp(capacity + base::kBufferPadding, 4096);
    void* data = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    void* block = std::aligned_alloc(base::kBufferAlignment, kHeaderBytes);
    if (block == nullptr) {
      munmap(data, mapped);
      return nullptr;
    }
    return new (block) HostBuffer(static_cast<std::byte*>(data), capacity, mapped);
  }

  base::Ref<HostPool> pool_;
  size_t charged_ = 0;
  size_t mapped_bytes_;
};

HostPool::HostPool(std::shared_ptr<base::MemoryBudget> budget) : budget_(std::move(budget)) {}

HostPool::~HostPool() { Trim(); }

base::BufferRef HostPool::Allocate(size_t bytes) {
  if (!budget_->TryCharge(bytes)) return nullptr;
  HostBuffer* buffer = Take(bytes);
  if (buffer == nullptr) {
    budget_->Release(bytes);
    return nullptr;
  }
  buffer->Open(base::Ref<HostPool>::Share(this), bytes);
  return base::BufferRef::Adopt(buffer);
}

base::BufferRef HostPool::Reserve(size_t bytes) {
  HostBuffer* buffer = Take(bytes);
  if (buffer == nullptr) return nullptr;
  buffer->Open(base::Ref<HostPool>::Share(this), 0);
  return base::BufferRef::Adopt(buffer);
}

HostBuffer* HostPool::Take(size_t bytes) {
  if (bytes > kLargestClassBytes) return TakeLarge(bytes);
  const size_t capacity = std::bit_ceil(std::max(bytes, kSmallestClassBytes));
  const auto index = static_cast<size_t>(std::countr_zero(capacity / kSmallestClassBytes));
  if (free_[index] == nullptr) SortReturned();
  HostBuffer* buffer = free_[index];
  if (buffer == nullptr) return HostBuffer::New(capacity);
  free_[index] = buffer->next;
  cached_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
  return buffer;
}

HostBuffer* HostPool::TakeLarge(size_t bytes) {
  if (bytes > kLargestCachedBytes) return HostBuffer::New(bytes);
  SortReturned();
  const size_t capacity = RoundUp(bytes, kLargeStepBytes);
  for (HostBuffer*& candidate : free_large_) {
    // A quarter of waste at most, so that big buffers are not eaten by small bodies.
    if (candidate->capacity() < capacity || candidate->capacity() > capacity + capacity / 4)
      continue;
    HostBuffer* buffer = std::exchange(candidate, free_large_.back());
    free_large_.pop_back();
    cached_bytes_.fetch_sub(buffer->capacity(), std::memory_order_relaxed);
    return buffer;
  }
  return HostBuffer::New(capacity);
}

void HostPool::SortReturned() {
  for (HostBuffer* buffer = returned_.TakeAll(); buffer != nullptr;) {
    HostBuffer* following = buffer->next;
    if (buffer->capacity() > kLargestClassBytes) {
      free_large_.push_back(buffer);
    } else {
      const auto index =
          static_cast<size_t>(std::countr_zero(buffer->capacity() / kSmallestClassBytes));
      buffer->next = free_[index];
      free_[index] = buffer;
    }
    buffer = following;
  }
}

void HostPool::Return(HostBuffer* buffer) {
  const size_t capacity = buffer->capacity();
  if (capacity > kLargestCachedBytes ||
      cached_bytes_.fetch_add(capacity, std::memory_order_relaxed) + capacity > kMaxCachedBytes) {
    if (capacity <= kLargestCachedBytes) {
      cached_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
    }
    HostBuffer::Delete(buffer);
    return;
  }
  returned_.Push(buffer);
}

void HostPool::Trim() {
  SortReturned();
  for (HostBuffer*& head : free_) {
    while (head != nullptr) {
      HostBuffer* buffer = std::exchange(head, head->next);
      cached_bytes_.fetch_sub(buffer->capacity(), std::memory_order_relaxed);
      HostBuffer::Delete(buffer);
    }
  }
  for (HostBuffer* buffer : free_large_) {
    cached_bytes_.fetch_sub(buffer->capacity(), std::memory_order_relaxed);
    HostBuffer::Delete(buffer);
  }
  free_large_.clear();
}

base::BufferRef AllocateAlone(std::shared_ptr<base::MemoryBudget> budget, size_t bytes) {
  if (!budget->TryCharge(bytes)) return nullptr;
  void* data = std::aligned_alloc(base::kBufferAlignment,
                                  RoundUp(bytes + base::kBufferPadding, base::kBufferAlignment));
  if (data == nullptr) {
    budget->Release(bytes);
    return nullptr;
  }
  return base::BufferRef(
      base::MakeRef<AloneBuffer>(static_cast<std::byte*>(data), bytes, std::move(budget)));
}

}  // namespace serving::device
