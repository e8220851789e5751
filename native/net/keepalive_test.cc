// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/keepalive.h"

#include <gtest/gtest.h>

#include <vector>

namespace serving::net {
namespace {

using Action = Keepalive::Action;
using std::chrono::seconds;

class KeepaliveTest : public testing::Test {
 protected:
  // Follows next() for so long and notes when what is due; `answers`: the peer replies to PINGs.
  std::vector<std::pair<int64_t, Action>> Run(const KeepaliveOptions& options, seconds time,
                                              bool has_calls, bool answers, double jitter = 0.5) {
    Keepalive keepalive(options, at(0), jitter);
    std::vector<std::pair<int64_t, Action>> seen;
    while (keepalive.next() <= at(time.count())) {
      const base::Instant now = keepalive.next();
      for (Action action = keepalive.Check(now, has_calls); action != Action::kNone;
           action = keepalive.Check(now, has_calls)) {
        seen.emplace_back(std::chrono::duration_cast<seconds>(now - at(0)).count(), action);
        if (action == Action::kTimedOut) return seen;
        if (action == Action::kPing && answers) keepalive.OnReceived(now);
      }
      if (keepalive.next() <= now) {
        ADD_FAILURE() << "stands still";
        break;
      }
    }
    return seen;
  }

  static base::Instant at(int64_t second) { return base::Instant(seconds(1'000 + second)); }
};

using Seen = std::vector<std::pair<int64_t, Action>>;

TEST_F(KeepaliveTest, WantsNothingByDefault) {
  EXPECT_EQ(Keepalive({}, at(0), 0.5).next(), base::kNever);
}

TEST_F(KeepaliveTest, PingsAfterSilenceWhileThereAreCalls) {
  const KeepaliveOptions options{.ping_after = seconds(10), .ping_timeout = seconds(3)};
  EXPECT_EQ(Run(options, seconds(25), true, true),
            (Seen{{10, Action::kPing}, {20, Action::kPing}}));
  EXPECT_EQ(Run(options, seconds(25), false, true), Seen{});
}

TEST_F(KeepaliveTest, PingsWithoutCallsWhenPermitted) {
  const KeepaliveOptions options{.ping_after = seconds(10), .pings_without_calls = true};
  EXPECT_EQ(Run(options, seconds(15), false, true), (Seen{{10, Action::kPing}}));
}

TEST_F(KeepaliveTest, APeerThatIsSilentAfterAPingIsGone) {
  const KeepaliveOptions options{.ping_after = seconds(10), .ping_timeout = seconds(3)};
  EXPECT_EQ(Run(options, seconds(60), true, false),
            (Seen{{10, Action::kPing}, {13, Action::kTimedOut}}));
}

TEST_F(KeepaliveTest, WhateverComesPutsThePingOff) {
  const KeepaliveOptions options{.ping_after = seconds(10)};
  Keepalive keepalive(options, at(0), 0.5);
  keepalive.OnReceived(at(7));
  EXPECT_EQ(keepalive.Check(at(10), true), Action::kNone);
  EXPECT_EQ(keepalive.next(), at(17));
  EXPECT_EQ(keepalive.Check(at(17), true), Action::kPing);
}

TEST_F(KeepaliveTest, PingsThatComeTooEarlyAreStrikes) {
  const KeepaliveOptions options{.min_ping_interval = seconds(5), .max_ping_strikes = 2};
  Keepalive keepalive(options, at(0), 0.5);
  EXPECT_TRUE(keepalive.OnPing(at(0), true, 0));
  EXPECT_TRUE(keepalive.OnPing(at(5), true, 0));
  EXPECT_TRUE(keepalive.OnPing(at(6), true, 0));
  EXPECT_TRUE(keepalive.OnPing(at(7), true, 0));
  EXPECT_FALSE(keepalive.OnPing(at(8), true, 0));
}

TEST_F(KeepaliveTest, WhatTheServerSendsForgivesStrikes) {
  const KeepaliveOptions options{.min_ping_interval = seconds(5), .max_ping_strikes = 2};
  Keepalive keepalive(options, at(0), 0.5);
  for (uint64_t frames = 1; frames < 20; ++frames) {
    EXPECT_TRUE(keepalive.OnPing(at(0), true, frames));
    EXPECT_TRUE(keepalive.OnPing(at(0), true, frames));
    EXPECT_TRUE(keepalive.OnPing(at(0), true, frames));
  }
  EXPECT_FALSE(keepalive.OnPing(at(0), true, 19));
}

TEST_F(KeepaliveTest, WithoutCallsPingsMayComeEveryTwoHours) {
  KeepaliveOptions options{.min_ping_interval = seconds(5), .max_ping_strikes = 1};
  Keepalive strict(options, at(0), 0.5);
  EXPECT_TRUE(strict.OnPing(at(0), false, 0));
  EXPECT_TRUE(strict.OnPing(at(7'200), false, 0));
  EXPECT_TRUE(strict.OnPing(at(7'300), false, 0));
  EXPECT_FALSE(strict.OnPing(at(7'400), false, 0));
  options.pings_without_calls = true;
  Keepalive permitted(options, at(0), 0.5);
  for (int second = 0; second < 100; second += 5) {
    EXPECT_TRUE(permitted.OnPing(at(second), false, 0));
  }
}

TEST_F(KeepaliveTest, NoLimitOfStrikesLetsEverythingPass) {
  const KeepaliveOptions options{.min_ping_interval = seconds(5)};
  Keepalive keepalive(options, at(0), 0.5);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(keepalive.OnPing(at(0), true, 0));
}

TEST_F(KeepaliveTest, ConnectionsRetireAtTheirAgeAndEndAfterTheirGrace) {
  const KeepaliveOptions options{.max_connection_age = seconds(100),
                                 .max_connection_age_grace = seconds(20)};
  EXPECT_EQ(Run(options, seconds(300), true, true),
            (Seen{{100, Action::kRetire}, {120, Action::kEnd}}));
  EXPECT_EQ(Run(options, seconds(300), true, true, 0.0).front().first, 90);
  EXPECT_EQ(Run(options, seconds(300), true, true, 0.999).front().first, 109);
  EXPECT_EQ(Run({.max_connection_age = seconds(100)}, seconds(3000), true, true),
            (Seen{{100, Action::kRetire}}));
}

}  // namespace
}  // namespace serving::net
