// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "testing/handler_harness.h"
#include "testing/requests.h"

namespace serving::frontend {
namespace {

class MetricsPage : public serving::testing::HandlerTest {
 protected:
  int Count(std::string_view text) {
    const std::string page = frontend.RenderMetrics();
    int count = 0;
    for (size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) {
      ++count;
    }
    return count;
  }
};

TEST_F(MetricsPage, HasASeriesOnceWhileTwoBuildsOfAVersionAreLoaded) {
  const auto old_build = engine.Load(serving::testing::MakePlan("identity")).Take();
  const auto new_build = engine.Load(serving::testing::MakePlan("identity")).Take();
  constexpr std::string_view kSeries = "nv_inference_count{model=\"m\",version=\"1\"} ";
  EXPECT_EQ(Count(kSeries), 1);
  ASSERT_TRUE(engine.Unload(old_build).ok());
  EXPECT_EQ(Count(kSeries), 1);
  ASSERT_TRUE(engine.Unload(new_build).ok());
  EXPECT_EQ(Count(kSeries), 0);
}

}  // namespace
}  // namespace serving::frontend
