// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/ref.h"

#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "base/memory_budget.h"

namespace serving::base {
namespace {

class Counted : public RefCounted {
 public:
  explicit Counted(int* alive) : alive_(alive) { ++*alive_; }
  ~Counted() override { --*alive_; }

 private:
  int* alive_;
};

class Derived final : public Counted {
 public:
  using Counted::Counted;
};

TEST(Ref, LastOneDeletes) {
  int alive = 0;
  Ref<Counted> first = MakeRef<Counted>(&alive);
  Ref<Counted> second = first;
  EXPECT_EQ(first.get(), second.get());
  first.Reset();
  EXPECT_FALSE(first);
  EXPECT_EQ(alive, 1);
  second = nullptr;
  EXPECT_EQ(alive, 0);
}

TEST(Ref, MovesDoNotCount) {
  int alive = 0;
  Ref<Counted> first = MakeRef<Derived>(&alive);  // also from a derived type
  Ref<Counted> second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT: moved-from is empty
  EXPECT_TRUE(second);
  Ref<Counted>& same = second;
  second = same;
  EXPECT_EQ(alive, 1);
  const Ref<Derived> derived = MakeRef<Derived>(&alive);
  Ref<Counted> widened = derived;
  EXPECT_EQ(alive, 2);
  widened = second;
  second.Reset();
  EXPECT_EQ(alive, 2);
}

TEST(Ref, AdoptAndReleasePassAReferenceOn) {
  int alive = 0;
  Counted* raw = MakeRef<Counted>(&alive).Release();
  EXPECT_EQ(alive, 1);
  {
    const Ref<Counted> shared = Ref<Counted>::Share(raw);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 1);
  {
    const Ref<Counted> adopted = Ref<Counted>::Adopt(raw);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(Ref<Counted>::Share(nullptr));
}

class Pooled final : public RefCounted {
 public:
  int homecomings = 0;
  void Leave() { Revive(); }

 private:
  void Dispose() override { ++homecomings; }
};

TEST(Ref, PooledObjectsGoHomeAndLeaveAgain) {
  Pooled pooled;
  {
    const Ref<Pooled> first = Ref<Pooled>::Adopt(&pooled);
  }
  EXPECT_EQ(pooled.homecomings, 1);
  pooled.Leave();
  {
    Ref<Pooled> again = Ref<Pooled>::Adopt(&pooled);
    const Ref<Pooled> more = again;
    again.Reset();
    EXPECT_EQ(pooled.homecomings, 1);
  }
  EXPECT_EQ(pooled.homecomings, 2);
}

TEST(Ref, ThreadsCountTogether) {
  int alive = 0;
  {
    const Ref<Counted> shared = MakeRef<Counted>(&alive);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([mine = shared] {
        for (int i = 0; i < 20'000; ++i) const Ref<Counted> copy = mine;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(MemoryBudget, ChargesUpToTheCeiling) {
  MemoryBudget budget(100);
  EXPECT_TRUE(budget.TryCharge(60));
  EXPECT_FALSE(budget.TryCharge(41));
  EXPECT_FALSE(budget.TryCharge(SIZE_MAX));
  EXPECT_EQ(budget.used(), 60u);
  EXPECT_TRUE(budget.TryCharge(40));
  EXPECT_FALSE(budget.TryCharge(1));
  EXPECT_TRUE(budget.TryCharge(0));
  budget.Release(100);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(budget.limit(), 100u);
}

TEST(MemoryBudget, ThreadsNeverPassTheCeiling) {
  MemoryBudget budget(10);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        if (!budget.TryCharge(3)) continue;
        EXPECT_LE(budget.used(), 10u);
        budget.Release(3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace serving::base
