// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/model_plan.h"
#include "metrics/model_statistics.h"

namespace serving::metrics {

// The Prometheus text format 0.0.4, numbers and labels written as Triton writes them.

void AppendNumber(std::string& out, uint64_t value);
// 16 significant digits; `Nan` for no number.
void AppendNumber(std::string& out, double value);

void AppendFamily(std::string& out, std::string_view name, std::string_view help,
                  std::string_view type);

// A family of one sample without labels.
template <typename Value>
void AppendGauge(std::string& out, std::string_view name, std::string_view help, Value value) {
  AppendFamily(out, name, help, "gauge");
  out.append(name).append(" ");
  AppendNumber(out, value);
  out += '\n';
}

// One loaded version on the page. Its labels are escaped once, for all its samples.
class ModelSample {
 public:
  ModelSample(const core::ModelPlan& plan, ModelStatistics statistics, double load_seconds);

  const core::ModelPlan& plan() const { return *plan_; }
  const ModelStatistics& statistics() const { return statistics_; }
  double load_seconds() const { return load_seconds_; }

  // `name{labels} value`, in the order of Triton's labels: by name, but `quantile` and `le` last.
  template <typename Value>
  void AppendTo(std::string& out, std::string_view name, Value value) const {
    out.append(name).append(labels_).append("} ");
    AppendNumber(out, value);
    out += '\n';
  }
  void AppendFailures(std::string& out, std::string_view name, std::string_view reason,
                      uint64_t value) const;
  // `last` is a whole label: le="100".
  template <typename Value>
  void AppendWith(std::string& out, std::string_view name, std::string_view last,
                  Value value) const {
    out.append(name).append(labels_).append(",").append(last).append("} ");
    AppendNumber(out, value);
    out += '\n';
  }

 private:
  const core::ModelPlan* plan_;
  ModelStatistics statistics_;
  double load_seconds_;
  std::string labels_;     // {_tag="…",model="…",version="…"
  size_t version_at_ = 0;  // where a label between model and version goes
};

// A family with one sample per version; none at all without versions, as Triton.
template <typename Value>
void AppendFamily(std::string& out, std::span<const ModelSample> samples, std::string_view name,
                  std::string_view help, std::string_view type, Value value) {
  if (samples.empty()) return;
  AppendFamily(out, name, help, type);
  for (const ModelSample& sample : samples) sample.AppendTo(out, name, value(sample));
}

}  // namespace serving::metrics
