// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/token_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace serving::frontend {
namespace {

using std::chrono::seconds;

const base::Instant kNow = base::Instant(seconds(1000));

base::Sha256Digest Token(int number) { return base::Sha256(std::to_string(number)); }

Verdict Good(base::Nanoseconds lifetime = seconds(60)) {
  return {.status = {},
          .grant = base::MakeRef<Grant>(Grant::Bit(Scope::kInfer), std::vector<std::string>{"*"}),
          .lifetime = lifetime};
}

Verdict Bad() {
  return {.status = base::Unauthenticated("no"), .grant = {}, .lifetime = seconds(10)};
}

TEST(VerdictCache, HoldsAVerdictUntilItExpires) {
  VerdictCache cache(10, 10);
  EXPECT_EQ(cache.Find(Token(1), kNow), nullptr);
  cache.Put(Token(1), Good(), kNow);
  cache.Put(Token(2), Bad(), kNow);
  ASSERT_NE(cache.Find(Token(1), kNow + seconds(59)), nullptr);
  EXPECT_TRUE(cache.Find(Token(1), kNow)->status.ok());
  EXPECT_FALSE(cache.Find(Token(2), kNow)->status.ok());
  EXPECT_EQ(cache.Find(Token(1), kNow + seconds(60)), nullptr);
  EXPECT_EQ(cache.Find(Token(2), kNow + seconds(10)), nullptr);
  cache.Put(Token(1), Good(), kNow + seconds(60));
  EXPECT_NE(cache.Find(Token(1), kNow + seconds(119)), nullptr);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(VerdictCache, IsBoundedAndKeepsGoodTokensFromBadOnes) {
  VerdictCache cache(100, 50);
  cache.Put(Token(-1), Good(), kNow);
  for (int i = 0; i < 100'000; ++i) cache.Put(Token(i), Bad(), kNow);
  EXPECT_EQ(cache.size(), 51u);
  EXPECT_NE(cache.Find(Token(-1), kNow), nullptr);
  EXPECT_EQ(cache.Find(Token(0), kNow), nullptr);
  EXPECT_NE(cache.Find(Token(99'999), kNow), nullptr);
  for (int i = 0; i < 100; ++i) cache.Put(Token(1000 + i), Good(), kNow);
  EXPECT_EQ(cache.size(), 150u);
  EXPECT_EQ(cache.Find(Token(-1), kNow), nullptr);
}

TEST(TokenInquiries, AskOnceForAToken) {
  TokenInquiries inquiries(2, 2, seconds(10));
  const auto first = inquiries.Wait(Token(1), {1, 10}, kNow);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->is_new);
  const auto second = inquiries.Wait(Token(1), {2, 20}, kNow);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_new);
  EXPECT_FALSE(inquiries.Wait(Token(1), {3, 30}, kNow)) << "too many calls wait for it";
  EXPECT_TRUE(inquiries.Wait(Token(2), {3, 30}, kNow));
  EXPECT_FALSE(inquiries.Wait(Token(3), {4, 40}, kNow)) << "too many tokens";

  const auto ended = inquiries.End(first->id);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->digest, Token(1));
  ASSERT_EQ(ended->waiters.size(), 2u);
  EXPECT_EQ(ended->waiters[1].slot, 2u);
  EXPECT_EQ(ended->waiters[1].generation, 20u);
  EXPECT_FALSE(inquiries.End(first->id)) << "it is over";
  const auto third = inquiries.Wait(Token(3), {4, 40}, kNow);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->id.slot, first->id.slot);
  EXPECT_FALSE(inquiries.End(first->id)) << "another one has its place";
  EXPECT_FALSE(inquiries.End({99, 0}));
}

TEST(TokenInquiries, AreGivenUpWhenNobodyEndsThem) {
  TokenInquiries inquiries(1, 2, seconds(10));
  const auto lost = inquiries.Wait(Token(1), {1, 10}, kNow);
  EXPECT_FALSE(inquiries.Wait(Token(2), {2, 20}, kNow + seconds(9)));
  const auto again = inquiries.Wait(Token(1), {3, 30}, kNow + seconds(10));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->is_new);
  EXPECT_FALSE(inquiries.End(lost->id));
  EXPECT_EQ(inquiries.End(again->id)->waiters.size(), 1u);
}

}  // namespace
}  // namespace serving::frontend
