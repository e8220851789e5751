// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace serving::metrics {

// What is measured and what the page shows. Set once when the engine is made.
struct MetricsOptions {
  // Triton's latency families, by kind (--metrics-config).
  bool counter_latencies = true;
  bool histogram_latencies = false;
  bool summary_latencies = false;
  std::vector<double> summary_quantiles{};  // 0 … 1, in the order of the page
  // The `nereid_*` families, which Triton does not have.
  bool extended = false;

  bool cpu_metrics = true;
  base::Nanoseconds host_interval{0};     // readings of the host are at least this old when renewed
  uint64_t pinned_memory_pool_bytes = 0;  // as the flag says; nothing is taken from such a pool
};

}  // namespace serving::metrics
