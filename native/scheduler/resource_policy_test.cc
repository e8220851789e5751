// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/resource_policy.h"

#include <map>
#include <random>
#include <set>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using Id = ResourcePolicy::Id;
using Ids = std::vector<Id>;

ResourceNeed Need(std::string name, uint64_t count) { return {std::move(name), false, count}; }

TEST(ResourcePolicy, HasWhatTheNeediestInstanceHolds) {
  ResourcePolicy policy({});
  const Id large = policy.Register({Need("r", 3)}, 1).Take();
  const Id small = policy.Register({Need("r", 2)}, 1).Take();
  const Id other = policy.Register({Need("r", 1)}, 1).Take();
  for (const Id id : {small, other, large}) policy.Ask(id);
  EXPECT_EQ(policy.Grant(), (Ids{small, other}));
  EXPECT_EQ(policy.Grant(), Ids{});
  policy.Release(small);
  EXPECT_EQ(policy.Grant(), Ids{});
  policy.Release(other);
  EXPECT_EQ(policy.Grant(), Ids{large});
}

TEST(ResourcePolicy, LetsNobodyPassWhoNeedsTheSame) {
  ResourcePolicy policy({});
  const Id large = policy.Register({Need("r", 2)}, 1).Take();
  const Id small = policy.Register({Need("r", 1)}, 1).Take();
  const Id next = policy.Register({Need("r", 1)}, 1).Take();
  const Id apart = policy.Register({Need("s", 1)}, 1).Take();
  policy.Ask(small);
  policy.Grant();
  policy.Ask(large);
  policy.Ask(next);
  policy.Ask(apart);
  EXPECT_EQ(policy.Grant(), Ids{apart});
  policy.Release(small);
  EXPECT_EQ(policy.Grant(), Ids{large});
}

TEST(ResourcePolicy, RunsByPriority) {
  ResourcePolicy policy({});
  std::map<Id, int> runs;
  const Id often = policy.Register({Need("r", 1)}, 1).Take();
  const Id seldom = policy.Register({Need("r", 1)}, 2).Take();
  policy.Ask(often);
  policy.Ask(seldom);
  for (int i = 0; i < 300; ++i) {
    const Ids granted = policy.Grant();
    ASSERT_EQ(granted.size(), 1u);
    ++runs[granted[0]];
    policy.Release(granted[0]);
    policy.Ask(granted[0]);
  }
  EXPECT_EQ(runs[often], 200);
  EXPECT_EQ(runs[seldom], 100);
}

TEST(ResourcePolicy, FollowsItsLimits) {
  ResourcePolicy policy({{"r", 2, std::nullopt}, {"g", 1, 3}, {"r", 4, 1}});
  const Id first = policy.Register({Need("r", 2)}, 1).Take();
  EXPECT_TRUE(policy.Register({{"g", true, 1}}, 1).ok());
  EXPECT_EQ(policy.Register({Need("r", 3)}, 1).status().message(),
            "Resource count for \"r\" is limited to 2 which will prevent scheduling of one or more "
            "model instances, the minimum required count is 3");
  EXPECT_EQ(policy.Register({Need("unknown", 1)}, 1).status().message(),
            "Resource count for \"unknown\" is limited to 0 which will prevent scheduling of one "
            "or more model instances, the minimum required count is 1");
  const Id second = policy.Register({Need("r", 1)}, 1).Take();
  policy.Ask(first);
  policy.Ask(second);
  EXPECT_EQ(policy.Grant(), Ids{first});
}

TEST(ResourcePolicy, TakesItsOwnDeviceBeforeAll) {
  ResourcePolicy policy({{"r", 9, std::nullopt}, {"r", 1, 0}});
  EXPECT_FALSE(policy.Register({Need("r", 2)}, 1).ok());
}

TEST(ResourcePolicy, KeepsAResourceToOneScope) {
  ResourcePolicy policy({});
  const Id id = policy.Register({Need("r", 1)}, 1).Take();
  EXPECT_EQ(policy.Register({{"r", true, 1}}, 1).status().message(),
            "Resource \"r\" is present as both global and device-specific resource in the model "
            "configuration.");
  policy.Unregister(id);
  EXPECT_TRUE(policy.Register({{"r", true, 1}}, 1).ok());
}

TEST(ResourcePolicy, ForgetsWhoLeaves) {
  ResourcePolicy policy({});
  const Id large = policy.Register({Need("r", 9)}, 1).Take();
  const Id one = policy.Register({Need("r", 1)}, 1).Take();
  const Id two = policy.Register({Need("r", 1)}, 1).Take();
  policy.Ask(large);
  policy.Withdraw(large);
  policy.Unregister(large);
  policy.Ask(one);
  policy.Ask(two);
  EXPECT_EQ(policy.Grant(), Ids{one});
  EXPECT_TRUE(policy.IsRunning(one));
  EXPECT_FALSE(policy.IsRunning(two));
}

// Instances that ask, run and end at random: never more than there is, nobody idles while what it
// needs is free and unclaimed, and everybody comes to run.
TEST(ResourcePolicy, HoldsAtRandom) {
  const std::vector<std::string> names = {"a", "b", "c"};
  constexpr uint64_t kTotal = 4;
  std::mt19937 random(3);
  const auto dice = [&](uint64_t most) { return random() % most + 1; };
  std::vector<ResourceLimit> limits;
  for (const auto& name : names) limits.push_back({name, kTotal, std::nullopt});
  ResourcePolicy policy(limits);
  std::map<Id, std::vector<ResourceNeed>> needs;
  for (int i = 0; i < 12; ++i) {
    std::vector<ResourceNeed> some;
    for (const auto& name : names) {
      if (dice(2) == 1) some.push_back(Need(name, dice(kTotal)));
    }
    needs[policy.Register(some, static_cast<uint32_t>(dice(3))).Take()] = some;
  }
  std::set<Id> running;
  std::map<Id, uint64_t> waits;  // grants of others since it asked
  std::map<std::string, uint64_t> held;
  for (const auto& [id, some] : needs) {
    policy.Ask(id);
    waits[id] = 0;
  }
  for (int step = 0; step < 20'000; ++step) {
    for (const Id id : policy.Grant()) {
      for (const auto& need : needs[id]) held[need.name] += need.count;
      for (auto& [other, waited] : waits) ++waited;
      running.insert(id);
      waits.erase(id);
    }
    for (const auto& [name, count] : held) ASSERT_LE(count, kTotal);
    for (const auto& [id, waited] : waits) ASSERT_LE(waited, 200u) << "somebody starves";
    ASSERT_FALSE(running.empty()) << "nobody runs while all ask";
    const Id ends = *std::next(running.begin(), static_cast<int64_t>(dice(running.size()) - 1));
    for (const auto& need : needs[ends]) held[need.name] -= need.count;
    running.erase(ends);
    policy.Release(ends);
    policy.Ask(ends);
    waits[ends] = 0;
  }
}

}  // namespace
}  // namespace serving::scheduler
