// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/answer_order.h"

#include <vector>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

std::vector<int> TakeAll(AnswerOrder<int>& order) {
  std::vector<int> taken;
  while (const auto due = order.TakeDue()) {
    taken.push_back(*due);
    order.Sent();
  }
  return taken;
}

TEST(AnswerOrder, KeepsWhatIsFinishedEarlyWhenItIsWidened) {
  AnswerOrder<int> order(3);
  // Numbers 0 and 1 have had their turn, so that 2 to 4 lie around the end of the window.
  for (int i = 0; i < 2; ++i) order.Finish(order.Start(), i);
  EXPECT_EQ(TakeAll(order), (std::vector<int>{0, 1}));
  for (int i = 0; i < 3; ++i) order.Start();
  EXPECT_TRUE(order.IsFull());
  order.Finish(4, 14);
  order.Finish(3, 13);
  order.Widen(8);
  EXPECT_FALSE(order.IsFull());
  order.Finish(order.Start(), 15);
  EXPECT_EQ(TakeAll(order), (std::vector<int>{}));
  order.Finish(2, 12);
  EXPECT_EQ(TakeAll(order), (std::vector<int>{12, 13, 14, 15}));
}

TEST(AnswerOrder, IsNeverMadeNarrower) {
  AnswerOrder<int> order(4);
  for (int i = 0; i < 3; ++i) order.Start();
  order.Widen(2);
  EXPECT_FALSE(order.IsFull());
}

}  // namespace
}  // namespace serving::scheduler
