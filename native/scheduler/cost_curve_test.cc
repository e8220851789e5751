// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/cost_curve.h"

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using std::chrono::microseconds;

TEST(CostCurve, KnowsNothingBeforeTheFirstExecution) {
  const CostCurve curve(64);
  EXPECT_FALSE(curve.AtLeast(1));
  EXPECT_FALSE(curve.AtMost(64));
  EXPECT_TRUE(curve.Points().empty());
}

TEST(CostCurve, FollowsTheLineBetweenMeasuredSizes) {
  CostCurve curve(64);
  curve.Add(4, microseconds(400));
  curve.Add(16, microseconds(1000));
  EXPECT_EQ(curve.AtLeast(10), microseconds(700));
  EXPECT_EQ(curve.AtMost(10), microseconds(700));
}

TEST(CostCurve, BoundsWhatLiesBeyondMeasuredSizes) {
  CostCurve curve(64);
  curve.Add(4, microseconds(400));
  curve.Add(16, microseconds(1000));
  EXPECT_EQ(curve.AtLeast(1), microseconds(100));
  EXPECT_EQ(curve.AtMost(1), microseconds(400));
  EXPECT_EQ(curve.AtLeast(64), microseconds(1000));
  EXPECT_EQ(curve.AtMost(64), microseconds(4000));
}

TEST(CostCurve, MovesWithWhatIsMeasured) {
  CostCurve curve(8);
  for (int i = 0; i < 20; ++i) curve.Add(8, microseconds(1000));
  for (int i = 0; i < 60; ++i) curve.Add(8, microseconds(2000));
  EXPECT_GT(curve.AtLeast(8), microseconds(1990));
}

TEST(CostCurve, NeverFallsWithTheRows) {
  CostCurve curve(8);
  curve.Add(1, microseconds(900));  // a cold one
  curve.Add(8, microseconds(500));
  EXPECT_EQ(curve.AtLeast(1), microseconds(500));
  EXPECT_EQ(curve.AtLeast(8), microseconds(500));
  EXPECT_EQ(curve.Points().front().time, microseconds(500));
}

TEST(CostCurve, TakesAnySize) {
  CostCurve curve(0);
  curve.Add(0, microseconds(5));
  curve.Add(INT64_MAX, microseconds(5));
  EXPECT_EQ(curve.executions(), 2u);
  EXPECT_EQ(curve.Points().size(), 1u);
}

TEST(CostCurve, KeepsSmallSizesApart) {
  CostCurve curve(16);
  for (const int64_t rows : {1, 2, 3, 4, 6, 8, 12, 16}) curve.Add(rows, microseconds(rows));
  EXPECT_EQ(curve.Points().size(), 8u);
}

}  // namespace
}  // namespace serving::scheduler
