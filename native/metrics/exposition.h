// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "metrics/metrics_options.h"
#include "metrics/text_format.h"

namespace serving::metrics {

// The parts of the page in Triton's order: counters, gauges, (the host's gauges), histograms,
// summaries. Families without a sample are left out, as Triton leaves them out.
void AppendModelCounters(std::span<const ModelSample> samples, const MetricsOptions& options,
                         std::string& out);
void AppendModelGauges(std::span<const ModelSample> samples, std::string& out);
void AppendFirstResponses(std::span<const ModelSample> samples, std::string& out);
void AppendSummaries(std::span<const ModelSample> samples, const MetricsOptions& options,
                     std::string& out);

// What the whole server holds now.
struct ServerState {
  uint64_t connections = 0;
  uint64_t requests = 0;  // from their head to the last byte of their answer
  uint64_t memory_used_bytes = 0;
  uint64_t memory_limit_bytes = 0;
};

// The queue timeout of a model, else its queue delay, else 0.1 s.
base::Nanoseconds WaitTarget(const core::ModelPlan& plan);

// Predicted wait divided by its target.
double QueueSaturation(const core::ModelPlan& plan, const QueueState& queue);

// The `nereid_*` families, in the units and with the endings that Prometheus recommends.
void AppendExtendedMetrics(std::span<const ModelSample> samples, const ServerState& server,
                           std::string& out);

}  // namespace serving::metrics
