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
  head_ = "{";
  for (const auto& [name, value] : plan.metric_tags) {
    head_.append(name).append("=\"");
    AppendEscaped(head_, value);
    head_ += "\",";
  }
  head_ += "model=\"";
  AppendEscaped(head_, plan.name);
  head_ += '"';
  tail_ = ",version=\"" + std::to_string(plan.version) + "\"";
}

void ModelSample::AppendFailures(std::string& out, std::string_view name, std::string_view reason,
                                 uint64_t value) const {
  out.append(name).append(head_).append(",reason=\"").append(reason).append("\"");
  out.append(tail_).append("} ");
  AppendNumber(out, value);
  out += '\n';
}

}  // namespace serving::metrics
