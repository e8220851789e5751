// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/exposition.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace serving::metrics {
namespace {

void AppendNumber(std::string& out, uint64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, end.ptr);
}

void AppendNumber(std::string& out, double value) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, end.ptr);
}

void AppendLabelValue(std::string& out, std::string_view value) {
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

void AppendHelp(std::string& out, std::string_view name, std::string_view help,
                std::string_view type) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void AppendLabels(std::string& out, const core::ModelPlan& plan, std::string_view reason) {
  out += "{model=\"";
  AppendLabelValue(out, plan.name);
  out += '"';
  if (!reason.empty()) out.append(",reason=\"").append(reason).append("\"");
  out += ",version=\"";
  AppendNumber(out, static_cast<uint64_t>(plan.version));
  out += '"';
  for (const auto& [name, value] : plan.metric_tags) {
    out.append(",").append(name).append("=\"");
    AppendLabelValue(out, value);
    out += '"';
  }
  out += "} ";
}

template <typename Value>
void AppendFamily(std::span<const ModelSample> samples, std::string_view name,
                  std::string_view help, std::string_view type, Value value, std::string& out) {
  AppendHelp(out, name, help, type);
  for (const ModelSample& sample : samples) {
    out.append(name);
    AppendLabels(out, *sample.plan, {});
    AppendNumber(out, value(sample));
    out += '\n';
  }
}

void AppendFailures(std::span<const ModelSample> samples, std::string& out) {
  constexpr std::string_view kName = "nv_inference_request_failure";
  constexpr std::string_view kReasons[] = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};
  AppendHelp(out, kName, "Number of failed inference requests, all batch sizes", "counter");
  for (const ModelSample& sample : samples) {
    for (size_t i = 0; i < 4; ++i) {
      out.append(kName);
      AppendLabels(out, *sample.plan, kReasons[i]);
      AppendNumber(out, sample.statistics.failures[i]);
      out += '\n';
    }
  }
}

void AppendGauge(std::string& out, std::string_view name, std::string_view help, double value) {
  AppendHelp(out, name, help, "gauge");
  out.append(name).append(" ");
  AppendNumber(out, value);
  out += '\n';
}

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

bool ReadMemory(uint64_t& total, uint64_t& available) {
  std::FILE* file = std::fopen("/proc/meminfo", "re");
  if (file == nullptr) return false;
  char line[128];
  unsigned long long kib = 0;
  total = available = 0;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "MemTotal: %llu", &kib) == 1) total = kib * 1024;
    if (std::sscanf(line, "MemAvailable: %llu", &kib) == 1) available = kib * 1024;
  }
  std::fclose(file);
  return total != 0;
}

}  // namespace

void AppendModelMetrics(std::span<const ModelSample> samples, std::string& out) {
  using Sample = ModelSample;
  const auto micros = [](const Duration& duration) { return duration.ns / 1000; };
  AppendFamily(
      samples, "nv_inference_request_success",
      "Number of successful inference requests, all batch sizes", "counter",
      [](const Sample& s) { return s.statistics.success.count; }, out);
  AppendFailures(samples, out);
  AppendFamily(
      samples, "nv_inference_count",
      "Number of inferences performed (does not include cached requests)", "counter",
      [](const Sample& s) { return s.statistics.inference_count; }, out);
  AppendFamily(
      samples, "nv_inference_exec_count",
      "Number of model executions performed (does not include cached requests)", "counter",
      [](const Sample& s) { return s.statistics.execution_count; }, out);
  AppendFamily(
      samples, "nv_inference_request_duration_us",
      "Cumulative inference request duration in microseconds (includes cached requests)", "counter",
      [&](const Sample& s) { return micros(s.statistics.success); }, out);
  AppendFamily(
      samples, "nv_inference_queue_duration_us",
      "Cumulative inference queuing duration in microseconds (includes cached requests)", "counter",
      [&](const Sample& s) { return micros(s.statistics.queue); }, out);
  AppendFamily(
      samples, "nv_inference_compute_input_duration_us",
      "Cumulative compute input duration in microseconds (does not include cached requests)",
      "counter", [&](const Sample& s) { return micros(s.statistics.compute_input); }, out);
  AppendFamily(
      samples, "nv_inference_compute_infer_duration_us",
      "Cumulative compute inference duration in microseconds (does not include cached requests)",
      "counter", [&](const Sample& s) { return micros(s.statistics.compute_infer); }, out);
  AppendFamily(
      samples, "nv_inference_compute_output_duration_us",
      "Cumulative inference compute output duration in microseconds (does not include cached "
      "requests)",
      "counter", [&](const Sample& s) { return micros(s.statistics.compute_output); }, out);
  AppendFamily(
      samples, "nv_inference_pending_request_count",
      "Instantaneous number of pending requests awaiting execution per-model.", "gauge",
      [](const Sample& s) { return s.statistics.queued; }, out);
  AppendFamily(
      samples, "nv_model_load_duration_secs", "Model load time in seconds", "gauge",
      [](const Sample& s) { return s.load_seconds; }, out);
}

void HostMetrics::Append(std::string& out) {
  uint64_t busy = 0;
  uint64_t total = 0;
  if (ReadCpuTicks(busy, total)) {
    const uint64_t passed = total - total_;
    const double share =
        passed == 0 ? 0 : static_cast<double>(busy - busy_) / static_cast<double>(passed);
    AppendGauge(out, "nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", share);
    busy_ = busy;
    total_ = total;
  }
  uint64_t available = 0;
  if (ReadMemory(total, available)) {
    AppendGauge(out, "nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes",
                static_cast<double>(total));
    AppendGauge(out, "nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes",
                static_cast<double>(total - available));
  }
}

}  // namespace serving::metrics
