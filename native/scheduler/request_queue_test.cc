// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/request_queue.h"

#include <deque>
#include <random>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

QueuedRequest Numbered(int64_t number) {
  QueuedRequest request;
  request.rows = number;
  return request;
}

TEST(RequestQueue, IsFirstInFirstOutOverManyWraps) {
  RequestQueue queue;
  int64_t pushed = 0;
  int64_t popped = 0;
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 50; ++i) queue.Push(Numbered(pushed++));
    for (int i = 0; i < 49; ++i) ASSERT_EQ(queue.PopFront().rows, popped++);
  }
  EXPECT_EQ(queue.size(), 1000u);
  while (!queue.empty()) ASSERT_EQ(queue.PopFront().rows, popped++);
  EXPECT_EQ(popped, pushed);
}

// Against a plain deque: any mixture of pushes, pops and removals.
TEST(RequestQueue, RemovesAnywhereAndKeepsTheOrder) {
  std::mt19937 random(7);
  RequestQueue queue;
  std::deque<int64_t> model;
  for (int64_t step = 0; step < 20'000; ++step) {
    const unsigned dice = random() % 10;
    if (dice < 5 || model.empty()) {
      queue.Push(Numbered(step));
      model.push_back(step);
    } else if (dice < 7) {
      ASSERT_EQ(queue.PopFront().rows, model.front());
      model.pop_front();
    } else {
      const size_t at = random() % model.size();
      ASSERT_EQ(queue.Remove(at).rows, model[at]);
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
    }
    ASSERT_EQ(queue.size(), model.size());
    for (size_t i = 0; i < model.size(); i += 1 + model.size() / 8)
      ASSERT_EQ(queue[i].rows, model[i]);
  }
}

TEST(RequestQueue, OwnsItsRequests) {
  struct Counting final : core::RequestHome {
    int home = 0;
    void Recycle(core::InferRequest* request) override {
      ++home;
      delete request;
    }
  } counting;
  {
    RequestQueue queue;
    for (int i = 0; i < 200; ++i) {
      QueuedRequest queued;
      queued.request = core::RequestPtr(new core::InferRequest);
      queued.request->home = &counting;
      queue.Push(std::move(queued));
    }
    {
      const QueuedRequest removed = queue.Remove(100);
    }
    {
      const QueuedRequest popped = queue.PopFront();
    }
    EXPECT_EQ(counting.home, 2);
  }
  EXPECT_EQ(counting.home, 200);
}

}  // namespace
}  // namespace serving::scheduler
