// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/mpsc_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace serving::base {
namespace {

struct Node {
  int producer = 0;
  int number = 0;
  Node* next = nullptr;
};

std::vector<int> Numbers(const Node* chain) {
  std::vector<int> numbers;
  for (; chain != nullptr; chain = chain->next) numbers.push_back(chain->number);
  return numbers;
}

TEST(MpscQueue, GivesBackInTheOrderOfPushes) {
  MpscQueue<Node> queue;
  Node nodes[3] = {{0, 1}, {0, 2}, {0, 3}};
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.TakeAll(), nullptr);
  for (Node& node : nodes) queue.Push(&node);
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(Numbers(queue.TakeAll()), (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(queue.empty());
}

TEST(MpscQueue, OnlyThePushThatFindsItEmptyAsksForAWake) {
  MpscQueue<Node> queue;
  Node nodes[3];
  EXPECT_TRUE(queue.Push(&nodes[0]));
  EXPECT_FALSE(queue.Push(&nodes[1]));
  queue.TakeAll();
  EXPECT_TRUE(queue.Push(&nodes[2]));
}

TEST(MpscQueue, ChainsComeOutAsGivenBetweenSinglePushes) {
  MpscQueue<Node> queue;
  Node nodes[5] = {{0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}};
  queue.Push(&nodes[0]);
  nodes[1].next = &nodes[2];
  nodes[2].next = &nodes[3];
  nodes[3].next = &nodes[4];  // behind the chain's last node: not pushed
  EXPECT_FALSE(queue.PushChain(&nodes[1], &nodes[3]));
  queue.Push(&nodes[4]);
  EXPECT_EQ(Numbers(queue.TakeAll()), (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST(MpscQueue, AChainOfOneIsAPush) {
  MpscQueue<Node> queue;
  Node node{0, 9};
  EXPECT_TRUE(queue.PushChain(&node, &node));
  EXPECT_EQ(Numbers(queue.TakeAll()), (std::vector<int>{9}));
}

// Four producers, one consumer: every node comes out once, each producer's in order, and nobody
// sleeps through work: the consumer looks only after a push that said it must.
TEST(MpscQueue, ManyThreadsLoseNothing) {
  constexpr int kProducers = 4;
  constexpr int kEach = 20'000;
  MpscQueue<Node> queue;
  std::atomic<int> wakes{0};
  auto nodes = std::make_unique<Node[]>(kProducers * kEach);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      Node* mine = nodes.get() + p * kEach;
      for (int i = 0; i < kEach; i += 4) {
        for (int k = 0; k < 4; ++k) mine[i + k] = {p, i + k, k < 3 ? &mine[i + k + 1] : nullptr};
        const bool wake = i % 8 == 0 ? queue.PushChain(&mine[i], &mine[i + 3]) : [&] {
          bool any = false;
          for (int k = 0; k < 4; ++k) any |= queue.Push(&mine[i + k]);
          return any;
        }();
        if (wake) {
          wakes.fetch_add(1, std::memory_order_release);
          wakes.notify_one();
        }
      }
    });
  }
  std::vector<int> expected(kProducers, 0);
  int taken = 0;
  int seen_wakes = 0;
  while (taken < kProducers * kEach) {
    wakes.wait(seen_wakes, std::memory_order_acquire);
    seen_wakes = wakes.load(std::memory_order_acquire);
    for (Node* node = queue.TakeAll(); node != nullptr; node = node->next) {
      ASSERT_EQ(node->number, expected[static_cast<size_t>(node->producer)]++);
      ++taken;
    }
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace serving::base
