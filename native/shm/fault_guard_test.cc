// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "shm/fault_guard.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "shm/system_region.h"
#include "shm/test_object.h"

namespace serving::shm {
namespace {

size_t PageBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

base::Result<core::ClientMemoryRef> Map(const TestObject& object, uint64_t offset, uint64_t size) {
  return MapSystemRegion({.name = "r", .key = object.key(), .offset = offset, .byte_size = size});
}

size_t CountByte(const core::ClientMemory& memory, char byte) {
  size_t count = 0;
  for (const std::byte b : memory.bytes()) count += b == static_cast<std::byte>(byte);
  return count;
}

TEST(FaultGuard, PagesThatAreGoneReadAsZerosAndBreakTheRegion) {
  const size_t page = PageBytes();
  TestObject object(4 * page, std::string(4 * page, 'x'));
  const auto memory = Map(object, 0, 4 * page).Take();
  ASSERT_TRUE(memory->Check().ok());
  object.Resize(page);
  EXPECT_TRUE(memory->Check().ok()) << "nobody has looked yet";
  EXPECT_EQ(CountByte(*memory, 'x'), page);
  EXPECT_EQ(memory->Check().message(),
            "shared memory region 'r' is broken: its file was shortened, or has no memory, since "
            "it was registered. Unregister it and register it again");
  std::memset(memory->data(), 'y', memory->capacity());  // writes are survived too
  EXPECT_EQ(object.Read(0, 1), "y");
}

TEST(FaultGuard, LeavesOtherRegionsAlone) {
  const size_t page = PageBytes();
  TestObject whole(2 * page, std::string(2 * page, 'w'));
  TestObject cut(2 * page);
  const auto sound = Map(whole, 0, 2 * page).Take();
  const auto broken = Map(cut, 0, 2 * page).Take();
  const auto part = SliceOf(broken, page, 8);
  cut.Resize(0);
  EXPECT_EQ(CountByte(*part, '\0'), 8u);
  EXPECT_FALSE(part->Check().ok());
  EXPECT_FALSE(broken->Check().ok());
  EXPECT_TRUE(sound->Check().ok());
  EXPECT_EQ(CountByte(*sound, 'w'), 2 * page);
}

TEST(FaultGuard, ThreadsMayFaultTogether) {
  const size_t page = PageBytes();
  constexpr size_t kPages = 64;
  for (int round = 0; round < 20; ++round) {
    TestObject object(kPages * page);
    const auto memory = Map(object, 0, kPages * page).Take();
    object.Resize(page * static_cast<size_t>(round));
    std::atomic<size_t> zeros{0};
    {
      std::vector<base::Thread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back("reader", [&] { zeros += CountByte(*memory, '\0'); });
      }
      for (base::Thread& thread : threads) thread.Join();
    }
    EXPECT_EQ(zeros, 4 * kPages * page);
    EXPECT_FALSE(memory->Check().ok());
  }
}

TEST(FaultGuard, ASlotIsUsedAgainUnbroken) {
  const size_t page = PageBytes();
  for (size_t i = 0; i < 2 * FaultGuard::kMaxMappings; ++i) {
    TestObject object(page);
    const auto memory = Map(object, 0, page);
    ASSERT_TRUE(memory.ok()) << i << ": " << memory.status().message();
    ASSERT_TRUE(memory.value()->Check().ok());
    if (i % 64 != 0) continue;
    object.Resize(0);
    ASSERT_EQ(CountByte(*memory.value(), '\0'), page);
    ASSERT_FALSE(memory.value()->Check().ok());
  }
}

TEST(FaultGuard, IsRefusedWhenTheTableIsFull) {
  std::vector<FaultGuard> guards;
  auto* const nowhere = reinterpret_cast<std::byte*>(PageBytes());
  while (auto guard = FaultGuard::Make(nowhere, 0)) guards.push_back(std::move(*guard));
  EXPECT_EQ(guards.size(), FaultGuard::kMaxMappings);
  TestObject object(PageBytes());
  EXPECT_EQ(Map(object, 0, 1).status().code(), base::StatusCode::kUnavailable);
  guards.clear();
  EXPECT_TRUE(Map(object, 0, 1).ok());
}

// A fault of somebody else: a mapping that is not guarded.
[[noreturn]] void FaultOutside() {
  TestObject object(PageBytes());
  const auto guarded = Map(object, 0, PageBytes());
  const int fd = shm_open(object.key().c_str(), O_RDWR, 0);
  void* plain = mmap(nullptr, PageBytes(), PROT_READ, MAP_SHARED, fd, 0);
  object.Resize(0);
  shm_unlink(object.key().c_str());
  volatile char byte = *static_cast<volatile char*>(plain);
  static_cast<void>(byte);
  std::_Exit(1);
}

TEST(FaultGuardDeathTest, AnotherFaultGoesToTheHandlerBefore) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto before = [] {
    struct sigaction action{};
    action.sa_sigaction = [](int, siginfo_t* info, void*) {
      std::_Exit(info->si_code > 0 && info->si_addr != nullptr ? 42 : 43);
    };
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, nullptr);
    FaultOutside();
  };
  EXPECT_EXIT(before(), ::testing::ExitedWithCode(42), "");
}

TEST(FaultGuardDeathTest, AnotherFaultEndsTheProcessWithoutAHandlerBefore) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto before = [] {
    signal(SIGBUS, SIG_DFL);
    FaultOutside();
  };
  EXPECT_EXIT(before(), ::testing::KilledBySignal(SIGBUS), "");
}

TEST(FaultGuardDeathTest, ASentSignalStillEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto before = [] {
    signal(SIGBUS, SIG_DFL);
    TestObject object(PageBytes());
    const auto guarded = Map(object, 0, PageBytes());
    shm_unlink(object.key().c_str());
    kill(getpid(), SIGBUS);
    std::_Exit(1);
  };
  EXPECT_EXIT(before(), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace serving::shm
