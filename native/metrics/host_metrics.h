// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "metrics/metrics_options.h"

namespace serving::metrics {

// Triton's gauges of the machine, read from /proc when the page is asked for and the last reading
// is older than the interval. Not thread-safe.
class HostMetrics {
 public:
  explicit HostMetrics(const MetricsOptions& options);

  void Append(base::Instant now, std::string& out);

 private:
  void Read(base::Instant now);

  const MetricsOptions options_;
  base::Instant renew_at_{};
  uint64_t busy_ = 0;   // ticks at the last reading
  uint64_t total_ = 0;  // ticks at the last reading
  bool has_cpu_ = false;
  double utilization_ = 0;  // between the last two readings
  uint64_t memory_total_ = 0;
  uint64_t memory_available_ = 0;
};

}  // namespace serving::metrics
