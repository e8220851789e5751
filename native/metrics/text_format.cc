// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/text_format.h"

#include <charconv>
#include <cmath>
#include <utility>

namespace serving::metrics {
namespace {

void AppendEscaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

}  // namespace

void AppendNumber(std::string& out, uint64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, end.ptr);
}

void AppendNumber(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "Nan";
    return;
  }
  char digits[40];
  const auto end =
      std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::general, 16);
  out.append(digits, end.ptr);
}

void AppendFamily(std::string& out, std::string_view name, std::string_view help,
                  std::string_view type) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

ModelSample::ModelSample(const core::ModelPlan& plan, ModelStatistics statistics,
                         double load_seconds)
    : plan_(&plan), statistics_(std::move(statistics)), load_seconds_(load_seconds) {
  labels_ = "{";
  for (const auto& [name, value] : plan.metric_tags) {
    labels_.append(name).append("=\"");
    AppendEscaped(labels_, value);
    labels_ += "\",";
  }
  labels_ += "model=\"";
  AppendEscaped(labels_, plan.name);
  labels_ += '"';
  version_at_ = labels_.size();
  labels_.append(",version=\"").append(std::to_string(plan.version)).append("\"");
}

void ModelSample::AppendFailures(std::string& out, std::string_view name, std::string_view reason,
                                 uint64_t value) const {
  const std::string_view labels = labels_;
  out.append(name).append(labels.substr(0, version_at_));
  out.append(",reason=\"").append(reason).append("\"").append(labels.substr(version_at_));
  out += "} ";
  AppendNumber(out, value);
  out += '\n';
}

}  // namespace serving::metrics
