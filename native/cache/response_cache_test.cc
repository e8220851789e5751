// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/response_cache.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <list>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <unordered_map>
#include <vector>

#include "gtest/gtest.h"
#include "testing/buffers.h"

namespace serving::cache {
namespace {

using serving::testing::TextOf;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

core::InferResponse Response(std::string_view bytes) {
  core::InferResponse response;
  core::OutputTensor& output = response.outputs.emplace_back();
  output.slot = 3;
  output.data_type = tensor::DataType::kUint8;
  output.shape.Append(static_cast<int64_t>(bytes.size()));
  output.view = {.data = BytesOf(bytes).data(), .size = bytes.size()};
  response.is_final = true;
  return response;
}

Hash128 Key(uint64_t number) { return {number, number}; }

std::string Read(ResponseCache& cache, uint64_t key) {
  const auto answer = cache.Find(Key(key)).answer;
  if (!answer) return "";
  core::InferResponse response;
  answer->FillIn(response);
  return std::string(TextOf(response.outputs.at(0).view));
}

// Vectors of the reference implementation: the key 00 … 0f, inputs of 0 and 1 bytes.
TEST(SipHash, IsTheReferences) {
  const std::array<uint64_t, 2> key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  const std::array<uint8_t, 1> input{0};
  const auto hash = [&](size_t size) {
    SipHash state(key);
    state.Add(std::as_bytes(std::span(input).first(size)));
    return state.Finish();
  };
  EXPECT_EQ(hash(0), (Hash128{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  EXPECT_EQ(hash(1), (Hash128{0x44af996bd8c187da, 0x45fc229b11597634}));
}

TEST(SipHash, IsTheSameInWhateverPiecesTheBytesCome) {
  std::string text(100, '\0');
  std::iota(text.begin(), text.end(), char{1});
  SipHash whole({1, 2});
  whole.Add(BytesOf(text));
  const Hash128 expected = whole.Finish();
  for (size_t first = 0; first <= text.size(); ++first) {
    for (const size_t second : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{9}}) {
      const size_t middle = std::min(first + second, text.size());
      SipHash parts({1, 2});
      parts.Add(BytesOf(text).first(first));
      parts.Add(BytesOf(text).subspan(first, middle - first));
      parts.Add(BytesOf(text).subspan(middle));
      ASSERT_EQ(parts.Finish(), expected) << first << " " << second;
    }
  }
}

TEST(AnswerTable, FindsTheOthersWhenSomeAreRemoved) {
  AnswerTable table;
  const auto key = [](uint64_t i) { return Hash128{0, i}; };  // all in one bucket
  const auto used = std::make_shared<std::atomic<size_t>>(0);
  for (uint64_t i = 0; i < 24; ++i) {
    *used += 1;
    table.Add(key(i), i % 3, Answer::Copy(Response("x"), 1, used));
  }
  AnswerTable::Removed removed;
  table.RemoveOldest(removed);
  table.RemoveAllOf(1, removed);
  for (uint64_t i = 0; i < 24; ++i) {
    const bool is_there = i != 0 && i % 3 != 1;
    EXPECT_TRUE(table.MayContain(key(i)) || !is_there) << i;
    EXPECT_EQ(static_cast<bool>(table.Touch(key(i))), is_there) << i;
  }
  EXPECT_EQ(table.entries(), 15u);
}

TEST(ResponseCache, GivesBackWhatItWasGiven) {
  ResponseCache cache(1 << 20);
  core::InferResponse response = Response("some bytes");
  response.parameters.push_back({"p", int64_t{7}});
  cache.Insert(Key(1), 1, response);
  EXPECT_FALSE(cache.Find(Key(2)).answer);
  const auto answer = cache.Find(Key(1)).answer;
  ASSERT_TRUE(answer);
  core::InferResponse copy;
  answer->FillIn(copy);
  ASSERT_EQ(copy.outputs.size(), 1u);
  EXPECT_EQ(copy.outputs[0].slot, 3u);
  EXPECT_EQ(copy.outputs[0].data_type, tensor::DataType::kUint8);
  EXPECT_EQ(copy.outputs[0].shape, response.outputs[0].shape);
  EXPECT_EQ(TextOf(copy.outputs[0].view), "some bytes");
  EXPECT_NE(copy.outputs[0].view.data, response.outputs[0].view.data);
  ASSERT_EQ(copy.parameters.size(), 1u);
  EXPECT_EQ(copy.parameters[0].name, "p");
}

TEST(ResponseCache, LetsTheLeastRecentlyAskedForGo) {
  ResponseCache cache(11'500);
  const std::string bytes(2'000, 'x');
  for (uint64_t i = 0; i < 4; ++i) cache.Insert(Key(i), 1, Response(bytes));
  ASSERT_EQ(cache.entries(), 4u);
  EXPECT_TRUE(cache.Find(Key(0)).answer);
  cache.Insert(Key(9), 1, Response(bytes));
  EXPECT_TRUE(cache.Find(Key(0)).answer);
  EXPECT_FALSE(cache.Find(Key(1)).answer);
  EXPECT_TRUE(cache.Find(Key(9)).answer);
}

TEST(ResponseCache, KeepsAnAnswerThatIsLookedAtAndCountsIt) {
  ResponseCache cache(10'000);
  cache.Insert(Key(1), 1, Response(std::string(8'000, 'a')));
  auto held = cache.Find(Key(1)).answer;
  ASSERT_TRUE(held);
  // Its place in the table is taken, its bytes are not free yet.
  cache.Insert(Key(2), 1, Response(std::string(8'000, 'b')));
  EXPECT_FALSE(cache.Find(Key(1)).answer);
  EXPECT_FALSE(cache.Find(Key(2)).answer);
  EXPECT_GT(cache.used_bytes(), 8'000u);
  core::InferResponse response;
  held->FillIn(response);
  held.Reset();
  EXPECT_EQ(TextOf(response.outputs[0].view), std::string(8'000, 'a'));
  response.Reset();
  EXPECT_EQ(cache.used_bytes(), 0u);
  cache.Insert(Key(2), 1, Response(std::string(8'000, 'b')));
  EXPECT_EQ(Read(cache, 2), std::string(8'000, 'b'));
}

TEST(ResponseCache, PassesOverWhatIsTooLarge) {
  ResponseCache cache(10'000);
  cache.Insert(Key(1), 1, Response("small"));
  cache.Insert(Key(2), 1, Response(std::string(10'000, 'x')));
  EXPECT_FALSE(cache.Find(Key(2)).answer);
  EXPECT_EQ(Read(cache, 1), "small");
}

// As a cached model does: looks, and inserts what is wanted.
bool Ask(ResponseCache& cache, uint64_t key, uint64_t owner = 1) {
  const auto [answer, is_wanted] = cache.Find(Key(key));
  if (is_wanted) cache.Insert(Key(key), owner, Response("x"));
  return static_cast<bool>(answer);
}

constexpr uint64_t kManyKeys = 1'000'001;  // more than the caches of these tests hold

// Keys from 0 on, until there is no room for another. Returns how many there are.
uint64_t Fill(ResponseCache& cache) {
  uint64_t key = 0;
  for (; cache.entries() == key; ++key) Ask(cache, key);
  return cache.entries();
}

TEST(ResponseCache, TakesInAFullShardWhatIsAskedForASecondTime) {
  ResponseCache cache(10'000);
  Fill(cache);
  EXPECT_FALSE(Ask(cache, kManyKeys));
  EXPECT_FALSE(Ask(cache, kManyKeys));
  EXPECT_TRUE(Ask(cache, kManyKeys));
}

TEST(ResponseCache, TakesEveryAnswerAgainWhenThereIsRoom) {
  ResponseCache cache(10'000);
  Fill(cache);
  EXPECT_FALSE(Ask(cache, kManyKeys, 2));
  EXPECT_FALSE(Ask(cache, kManyKeys, 2));
  cache.Forget(1);
  EXPECT_FALSE(Ask(cache, kManyKeys + 1));
  EXPECT_TRUE(Ask(cache, kManyKeys + 1));
}

TEST(ResponseCache, ForgetsTheMissesOfLongAgo) {
  ResponseCache cache(10'000);
  const uint64_t held = Fill(cache);
  EXPECT_FALSE(cache.Find(Key(kManyKeys)).is_wanted);
  for (uint64_t i = 1; i < 100 * held; ++i) cache.Find(Key(kManyKeys + i));
  EXPECT_FALSE(cache.Find(Key(kManyKeys)).is_wanted);
  EXPECT_TRUE(cache.Find(Key(kManyKeys)).is_wanted);
}

// Between two requests for one of the popular keys come more others than the cache holds; each of
// them comes once.
TEST(ResponseCache, KeepsWhatIsPopularUnderRequestsThatComeOnce) {
  ResponseCache cache(10'000);
  const uint64_t popular = Fill(cache) / 2;  // from 1 on: the last one took the place of key 0
  uint64_t once = kManyKeys;
  for (int round = 0; round < 10; ++round) {
    for (uint64_t key = 1; key <= popular; ++key) {
      EXPECT_TRUE(Ask(cache, key)) << round << " " << key;
      for (int i = 0; i < 4; ++i) EXPECT_FALSE(Ask(cache, once++));
    }
  }
}

// Of requests for 20,000 keys by Zipf's law, those that find an answer; and those that would where
// every answer is kept and the least recently used goes.
TEST(ResponseCache, FindsMoreThanWhereEveryAnswerIsKept) {
  constexpr uint64_t kKeys = 20'000;
  constexpr double kExponent = 0.9;
  std::vector<double> weights;
  for (uint64_t i = 1; i <= kKeys; ++i)
    weights.push_back(std::pow(static_cast<double>(i), -kExponent));
  std::discrete_distribution<uint64_t> next_key(weights.begin(), weights.end());
  std::mt19937_64 random(1);
  ResponseCache cache(300'000);
  std::list<uint64_t> kept;  // the newest first
  std::unordered_map<uint64_t, std::list<uint64_t>::iterator> places;
  const uint64_t room = Fill(cache);
  cache.Forget(1);
  int found = 0;
  int would_be_found = 0;
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t key = next_key(random);
    found += Ask(cache, key);
    if (const auto place = places.find(key); place != places.end()) {
      ++would_be_found;
      kept.splice(kept.begin(), kept, place->second);
    } else {
      kept.push_front(key);
      places.emplace(key, kept.begin());
      if (kept.size() > room) {
        places.erase(kept.back());
        kept.pop_back();
      }
    }
  }
  EXPECT_GT(found, would_be_found * 11 / 10) << "with room for " << room;
}

TEST(ResponseCache, MayBeOfAnySize) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100}, size_t{1} << 60}) {
    ResponseCache cache(bytes);
    EXPECT_FALSE(Ask(cache, 1));
    EXPECT_EQ(Ask(cache, 1), bytes > 100) << bytes;
  }
}

TEST(ResponseCache, ForgetsTheAnswersOfOneOwner) {
  ResponseCache cache(size_t{64} << 20);
  for (uint64_t i = 0; i < 100; ++i) cache.Insert(Key(i), i % 2, Response("x"));
  cache.Forget(1);
  EXPECT_EQ(cache.entries(), 50u);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(Read(cache, i), i % 2 == 0 ? "x" : "");
  cache.Forget(0);
  EXPECT_EQ(cache.used_bytes(), 0u);
}

TEST(ResponseCache, NeverHoldsMoreThanItMayOrAnswersWithAnothersBytes) {
  ResponseCache cache(200'000);
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      uint64_t state = seed + 1;
      std::vector<base::Ref<Answer>> held(8);
      for (int i = 0; i < 20'000; ++i) {
        state = state * 6364136223846793005 + 1442695040888963407;
        const uint64_t key = (state >> 33) % 300;
        const std::string expected(key * 7, static_cast<char>('a' + key % 26));
        if (const auto answer = cache.Find(Key(key)).answer) {
          core::InferResponse response;
          answer->FillIn(response);
          ASSERT_EQ(TextOf(response.outputs[0].view), expected);
          held[static_cast<size_t>(i) % held.size()] = answer;
        } else {
          cache.Insert(Key(key), key % 3, Response(expected));
        }
        ASSERT_LE(cache.used_bytes(), 400'000u);
        if (i % 1'000 == 0) cache.Forget(key % 3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.used_bytes(), cache.limit_bytes());
  for (const uint64_t owner : {0, 1, 2}) cache.Forget(owner);
  EXPECT_EQ(cache.entries(), 0u);
  EXPECT_EQ(cache.used_bytes(), 0u);
}

}  // namespace
}  // namespace serving::cache
