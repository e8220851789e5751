// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "device/host_pool.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace serving::device {
namespace {

constexpr size_t kMiB = 1 << 20;

std::shared_ptr<base::MemoryBudget> Budget(size_t bytes) {
  return std::make_shared<base::MemoryBudget>(bytes);
}

bool IsAligned(const base::Buffer& buffer) {
  return reinterpret_cast<uintptr_t>(buffer.data()) % base::kBufferAlignment == 0;
}

size_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

class HostPoolSizes : public ::testing::TestWithParam<size_t> {};

TEST_P(HostPoolSizes, GivesAlignedPaddedMemoryAndTakesItBack) {
  const auto budget = Budget(64 * kMiB);
  const auto pool = base::MakeRef<HostPool>(budget);
  const size_t size = GetParam();
  for (int round = 0; round < 3; ++round) {
    base::BufferRef buffer = pool->Allocate(size);
    ASSERT_TRUE(buffer);
    EXPECT_TRUE(IsAligned(*buffer));
    EXPECT_GE(buffer->capacity(), size);
    EXPECT_EQ(budget->used(), size);
    std::memset(buffer->data(), 0xab, buffer->capacity());
    // A reader of whole vectors may look this far; a sanitizer watches the end.
    volatile std::byte last = buffer->data()[buffer->capacity() + base::kBufferPadding - 1];
    static_cast<void>(last);
    buffer.Reset();
    EXPECT_EQ(budget->used(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Edges, HostPoolSizes,
                         ::testing::Values(0, 1, 255, 256, 257, 64 << 10, (64 << 10) + 1, kMiB - 1,
                                           kMiB, 8 * kMiB, 8 * kMiB + 1, 20 * kMiB));

TEST(HostPool, ReusesWhatCameHome) {
  const auto pool = base::MakeRef<HostPool>(Budget(kMiB));
  base::BufferRef first = pool->Allocate(1000);
  const std::byte* address = first->data();
  first.Reset();
  EXPECT_EQ(pool->Allocate(900)->data(), address);
}

TEST(HostPool, GivesTwoOwnersTwoPlaces) {
  const auto pool = base::MakeRef<HostPool>(Budget(64 * kMiB));
  std::vector<base::BufferRef> buffers;
  for (int i = 0; i < 200; ++i) {
    buffers.push_back(pool->Allocate(static_cast<size_t>(i) * 1000));
    std::memset(buffers.back()->data(), i, buffers.back()->capacity());
  }
  for (int i = 0; i < 200; ++i) {
    const base::BufferRef& buffer = buffers[static_cast<size_t>(i)];
    EXPECT_EQ(buffer->data()[0], std::byte(i));
    EXPECT_EQ(buffer->data()[buffer->capacity() - 1], std::byte(i));
  }
}

TEST(HostPool, RefusesBeyondTheBudgetAndChargesNothingForIt) {
  const auto budget = Budget(1000);
  const auto pool = base::MakeRef<HostPool>(budget);
  const base::BufferRef half = pool->Allocate(600);
  EXPECT_FALSE(pool->Allocate(401));
  EXPECT_EQ(budget->used(), 600u);
  EXPECT_TRUE(pool->Allocate(400));
  EXPECT_FALSE(pool->Allocate(SIZE_MAX));
  EXPECT_EQ(budget->used(), 600u);
}

TEST(HostPool, ChargesAReservedBodyAsItArrives) {
  const auto budget = Budget(1000);
  const auto pool = base::MakeRef<HostPool>(budget);
  base::BufferRef body = pool->Reserve(5000);
  ASSERT_TRUE(body);
  EXPECT_EQ(budget->used(), 0u);
  EXPECT_TRUE(body->ChargeTo(400));
  EXPECT_TRUE(body->ChargeTo(300));  // never less than it was
  EXPECT_EQ(budget->used(), 400u);
  EXPECT_FALSE(body->ChargeTo(1001));
  EXPECT_EQ(budget->used(), 400u);
  EXPECT_TRUE(body->ChargeTo(1000));
  body.Reset();
  EXPECT_EQ(budget->used(), 0u);
}

TEST(HostPool, TakesNoMemoryForHugeClaims) {
  const auto budget = Budget(kMiB);
  const auto pool = base::MakeRef<HostPool>(budget);
  const size_t before = ResidentBytes();
  std::vector<base::BufferRef> claims;
  for (int i = 0; i < 1000; ++i) {
    claims.push_back(pool->Reserve(size_t{2} << 30));
    if (!claims.back()) GTEST_SKIP() << "this system has no address space for 1000 claims of 2 GiB";
  }
  EXPECT_EQ(budget->used(), 0u);
  EXPECT_LT(ResidentBytes(), before + 16 * kMiB);
  EXPECT_FALSE(pool->Reserve(SIZE_MAX));
  EXPECT_FALSE(pool->Reserve(SIZE_MAX / 2));
}

TEST(HostPool, KeepsABoundedAmountForLater) {
  const auto budget = Budget(size_t{1} << 30);
  const auto pool = base::MakeRef<HostPool>(budget);
  std::vector<base::BufferRef> buffers;
  for (int i = 0; i < 40; ++i) {
    buffers.push_back(pool->Allocate(4 * kMiB));
    std::memset(buffers.back()->data(), 1, 4 * kMiB);
  }
  const size_t full = ResidentBytes();
  buffers.clear();
  EXPECT_EQ(budget->used(), 0u);
  // 160 MiB were in use and at most 24 MiB may stay.
  EXPECT_LT(ResidentBytes(), full - (160 - 24 - 4) * kMiB);
  EXPECT_LE(pool->cached_bytes(), HostPool::kMaxCachedBytes);
  EXPECT_GT(pool->cached_bytes(), 0u);
  pool->Trim();
  EXPECT_EQ(pool->cached_bytes(), 0u);
}

TEST(HostPool, DoesNotKeepVeryLargeBuffers) {
  const auto pool = base::MakeRef<HostPool>(Budget(64 * kMiB));
  pool->Allocate(9 * kMiB).Reset();
  EXPECT_EQ(pool->cached_bytes(), 0u);
}

TEST(HostPool, LivesUntilItsLastBufferIsHome) {
  const auto budget = Budget(kMiB);
  base::BufferRef last;
  {
    const auto pool = base::MakeRef<HostPool>(budget);
    last = pool->Allocate(100);
  }
  std::memset(last->data(), 1, 100);
  last.Reset();
  EXPECT_EQ(budget->used(), 0u);
}

// One owner allocates, other threads drop, as I/O and instance threads do. The sanitizers judge.
TEST(HostPool, TakesBuffersBackFromAnyThread) {
  const auto budget = Budget(size_t{1} << 30);
  const auto pool = base::MakeRef<HostPool>(budget);
  constexpr int kDroppers = 3;
  constexpr int kBuffers = 30'000;
  std::vector<std::atomic<base::Buffer*>> mailboxes(kDroppers);
  std::atomic<bool> is_done{false};
  std::vector<std::thread> droppers;
  for (int t = 0; t < kDroppers; ++t) {
    droppers.emplace_back([&, t] {
      while (true) {
        const bool was_done = is_done.load();
        base::Buffer* raw = mailboxes[static_cast<size_t>(t)].exchange(nullptr);
        if (raw == nullptr && was_done) return;
        if (raw == nullptr) {
          std::this_thread::yield();
          continue;
        }
        const base::BufferRef buffer = base::BufferRef::Adopt(raw);
        ASSERT_EQ(buffer->data()[0], buffer->data()[99]);
      }
    });
  }
  std::mt19937 random(3);
  for (int i = 0; i < kBuffers; ++i) {
    const size_t size = 100 + random() % (i % 64 == 0 ? 300'000 : 5'000);
    base::BufferRef buffer = pool->Allocate(size);
    ASSERT_TRUE(buffer);
    buffer->data()[0] = buffer->data()[99] = std::byte(i);
    // What nobody has taken yet is dropped here.
    const base::BufferRef untaken =
        base::BufferRef::Adopt(mailboxes[random() % kDroppers].exchange(buffer.Release()));
  }
  is_done = true;
  for (std::thread& dropper : droppers) dropper.join();
  EXPECT_EQ(budget->used(), 0u);
  EXPECT_LE(pool->cached_bytes(), HostPool::kMaxCachedBytes);
}

TEST(AllocateAlone, ChargesAndGivesBack) {
  auto budget = std::make_shared<base::MemoryBudget>(1000);
  base::BufferRef buffer = AllocateAlone(budget, 600);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % base::kBufferAlignment, 0u);
  std::memset(buffer->data(), 1, 600 + base::kBufferPadding);
  EXPECT_EQ(budget->used(), 600u);
  EXPECT_FALSE(AllocateAlone(budget, 401));
  buffer.Reset();
  EXPECT_EQ(budget->used(), 0u);
}

TEST(HostPool, CountsWhatItsBuffersAreChargedWith) {
  const auto budget = Budget(64 * kMiB);
  const auto pool = base::MakeRef<HostPool>(budget);
  const auto other = base::MakeRef<HostPool>(budget);
  base::BufferRef small = pool->Allocate(100);
  base::BufferRef body = pool->Reserve(8 * kMiB);
  const base::BufferRef elsewhere = other->Allocate(kMiB);
  EXPECT_EQ(pool->charged_bytes(), 100u);
  ASSERT_TRUE(body->ChargeTo(kMiB));
  ASSERT_TRUE(body->ChargeTo(3 * kMiB));
  EXPECT_EQ(pool->charged_bytes(), 100 + 3 * kMiB);
  EXPECT_EQ(budget->used(), pool->charged_bytes() + other->charged_bytes());
  small.Reset();
  body.Reset();
  EXPECT_EQ(pool->charged_bytes(), 0u);
  EXPECT_EQ(other->charged_bytes(), kMiB);
}

TEST(MemoryBudget, RemembersTheMostThatWasCharged) {
  base::MemoryBudget budget(100);
  ASSERT_TRUE(budget.TryCharge(60));
  budget.Release(50);
  EXPECT_EQ(budget.peak(), 60u);
  EXPECT_EQ(budget.TakeRecentPeak(), 60u);
  EXPECT_EQ(budget.TakeRecentPeak(), 10u);  // what is still charged
  ASSERT_TRUE(budget.TryCharge(20));
  EXPECT_FALSE(budget.TryCharge(90));
  EXPECT_EQ(budget.TakeRecentPeak(), 30u);
  EXPECT_EQ(budget.peak(), 60u);
  budget.Release(30);
  EXPECT_EQ(budget.TakeRecentPeak(), 30u);
  EXPECT_EQ(budget.TakeRecentPeak(), 0u);
}

}  // namespace
}  // namespace serving::device
