// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <span>
#include <string>

#include "core/model_plan.h"
#include "metrics/model_statistics.h"

namespace serving::metrics {

struct ModelSample {
  const core::ModelPlan* plan = nullptr;
  ModelStatistics statistics;
  double load_seconds = 0;
};

// Appends Triton's `nv_*` families in the Prometheus text format 0.0.4.
void AppendModelMetrics(std::span<const ModelSample> samples, std::string& out);

// `nv_cpu_utilization` and the two memory gauges of the host, read from /proc at the call.
class HostMetrics {
 public:
  void Append(std::string& out);

 private:
  uint64_t busy_ = 0;
  uint64_t total_ = 0;
};

}  // namespace serving::metrics
