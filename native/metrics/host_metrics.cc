// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/host_metrics.h"

#include <algorithm>
#include <cstdio>

#include "metrics/text_format.h"

namespace serving::metrics {
namespace {

// Sums of the first line of /proc/stat in clock ticks.
bool ReadCpuTicks(uint64_t& busy, uint64_t& total) {
  std::FILE* file = std::fopen("/proc/stat", "re");
  if (file == nullptr) return false;
  unsigned long long t[8] = {};
  const int read = std::fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
                               &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
  std::fclose(file);
  if (read != 8) return false;
  total = 0;
  for (const auto ticks : t) total += ticks;
  busy = total - t[3] - t[4];  // idle and waiting for I/O
  return true;
}

void ReadMemory(uint64_t& total, uint64_t& available) {
  total = available = 0;
  std::FILE* file = std::fopen("/proc/meminfo", "re");
  if (file == nullptr) return;
  char line[128];
  unsigned long long kib = 0;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "MemTotal: %llu", &kib) == 1) total = kib * 1024;
    if (std::sscanf(line, "MemAvailable: %llu", &kib) == 1) available = kib * 1024;
  }
  std::fclose(file);
}

}  // namespace

HostMetrics::HostMetrics(const MetricsOptions& options) : options_(options) {
  // The first page tells of the time since here, not since the machine started.
  if (options_.cpu_metrics) has_cpu_ = ReadCpuTicks(busy_, total_);
}

void HostMetrics::Read(base::Instant now) {
  if (now < renew_at_) return;
  renew_at_ = now + options_.host_interval;
  uint64_t busy = 0;
  uint64_t total = 0;
  has_cpu_ = ReadCpuTicks(busy, total);
  if (has_cpu_ && total > total_) {
    const uint64_t worked = busy > busy_ ? busy - busy_ : 0;
    utilization_ = std::min(1.0, static_cast<double>(worked) / static_cast<double>(total - total_));
    busy_ = busy;
    total_ = total;
  }
  ReadMemory(memory_total_, memory_available_);
}

void HostMetrics::Append(base::Instant now, std::string& out) {
  AppendGauge(out, "nv_pinned_memory_pool_total_bytes",
              "Pinned memory pool total memory size, in bytes", options_.pinned_memory_pool_bytes);
  AppendGauge(out, "nv_pinned_memory_pool_used_bytes",
              "Pinned memory pool used memory size, in bytes", uint64_t{0});
  if (!options_.cpu_metrics) return;
  Read(now);
  if (has_cpu_) {
    AppendGauge(out, "nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", utilization_);
  }
  if (memory_total_ != 0) {
    AppendGauge(out, "nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes",
                memory_total_);
    AppendGauge(out, "nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes",
                memory_total_ - memory_available_);
  }
}

}  // namespace serving::metrics
