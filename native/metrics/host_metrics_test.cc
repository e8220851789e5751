// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/host_metrics.h"

#include <string>

#include "gtest/gtest.h"

namespace serving::metrics {
namespace {

using std::chrono::seconds;

constexpr base::Instant kStart = base::Instant(std::chrono::hours(1));

double Value(const std::string& page, const std::string& name) {
  const size_t at = page.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
}

std::string Page(HostMetrics& host, base::Instant now) {
  std::string page;
  host.Append(now, page);
  return page;
}

TEST(HostMetrics, ReadsThisMachine) {
  HostMetrics host({.pinned_memory_pool_bytes = 4096});
  for (int round = 0; round < 2; ++round) {
    const std::string page = Page(host, kStart + seconds(round));
    EXPECT_GE(Value(page, "nv_cpu_utilization"), 0);
    EXPECT_LE(Value(page, "nv_cpu_utilization"), 1);
    EXPECT_GT(Value(page, "nv_cpu_memory_total_bytes"), Value(page, "nv_cpu_memory_used_bytes"));
    EXPECT_GT(Value(page, "nv_cpu_memory_used_bytes"), 0);
    EXPECT_EQ(Value(page, "nv_pinned_memory_pool_total_bytes"), 4096);
    EXPECT_EQ(Value(page, "nv_pinned_memory_pool_used_bytes"), 0);
  }
}

TEST(HostMetrics, KeepsAReadingForTheInterval) {
  HostMetrics host({.host_interval = seconds(10)});
  const std::string first = Page(host, kStart);
  // Memory that is certainly used: the next reading differs.
  std::string used(64 << 20, 'x');
  for (size_t i = 0; i < used.size(); i += 4096) used[i] = 'y';
  EXPECT_EQ(Page(host, kStart + seconds(9)), first);
  EXPECT_NE(Page(host, kStart + seconds(10)), first);
}

TEST(HostMetrics, LeavesTheCpuOutWhenToldTo) {
  HostMetrics host({.cpu_metrics = false});
  const std::string page = Page(host, kStart);
  EXPECT_EQ(page.find("nv_cpu"), std::string::npos);
  EXPECT_NE(page.find("nv_pinned_memory_pool_total_bytes 0\n"), std::string::npos);
}

}  // namespace
}  // namespace serving::metrics
