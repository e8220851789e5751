// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "metrics/exposition.h"

namespace serving::metrics {
namespace {

// What a queued request should not wait longer than where neither a queue timeout nor a queue delay
// is configured.
constexpr base::Nanoseconds kDefaultWaitTarget = std::chrono::milliseconds(100);

struct StageFamily {
  std::string_view name;
  std::string_view help;
  Duration ModelStatistics::* duration;
};

// By Stage; of requests that succeeded, as Triton's counters.
constexpr StageFamily kStageFamilies[kStages] = {
    {"nereid_inference_request_duration_seconds",
     "Time from the last byte of a request to its response.", &ModelStatistics::success},
    {"nereid_inference_queue_duration_seconds", "Time that requests waited for an instance.",
     &ModelStatistics::queue},
    {"nereid_inference_compute_input_duration_seconds",
     "Time to put the inputs of a batch together.", &ModelStatistics::compute_input},
    {"nereid_inference_compute_infer_duration_seconds", "Time that the backend took.",
     &ModelStatistics::compute_infer},
    {"nereid_inference_compute_output_duration_seconds", "Time to part the outputs of a batch.",
     &ModelStatistics::compute_output},
};

// By bucket of LatencyHistogram.
constexpr std::string_view kBounds[LatencyHistogram::kBuckets] = {
    "le=\"0.0001\"", "le=\"0.00025\"", "le=\"0.0005\"", "le=\"0.001\"", "le=\"0.0025\"",
    "le=\"0.005\"",  "le=\"0.01\"",    "le=\"0.025\"",  "le=\"0.05\"",  "le=\"0.1\"",
    "le=\"0.25\"",   "le=\"0.5\"",     "le=\"1\"",      "le=\"2.5\"",   "le=\"5\"",
    "le=\"10\"",     "le=\"+Inf\""};

double Seconds(base::Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

base::Nanoseconds WaitTarget(const core::ModelPlan& plan, const QueueState& queue) {
  return queue.wait_target.count() > 0 ? queue.wait_target : metrics::WaitTarget(plan);
}

void AppendHistograms(std::span<const ModelSample> samples, std::string& out) {
  for (size_t stage = 0; stage < kStages; ++stage) {
    const StageFamily& family = kStageFamilies[stage];
    AppendFamily(out, family.name, family.help, "histogram");
    const std::string bucket = std::string(family.name) + "_bucket";
    const std::string sum = std::string(family.name) + "_sum";
    const std::string count = std::string(family.name) + "_count";
    for (const ModelSample& sample : samples) {
      uint64_t below = 0;
      for (size_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
        below += sample.statistics().histograms[stage].counts()[i];
        sample.AppendWith(out, bucket, kBounds[i], below);
      }
      const Duration& duration = sample.statistics().*family.duration;
      sample.AppendTo(out, sum, static_cast<double>(duration.ns) / 1e9);
      sample.AppendTo(out, count, below);
    }
  }
}

void AppendQueues(std::span<const ModelSample> samples, std::string& out) {
  AppendFamily(out, samples, "nereid_queue_requests", "Requests that wait for an instance.",
               "gauge", [](const ModelSample& sample) { return sample.statistics().queued; });
  AppendFamily(out, samples, "nereid_queue_bytes", "Bytes of the inputs of requests that wait.",
               "gauge",
               [](const ModelSample& sample) { return sample.statistics().queue_state.bytes; });
  AppendFamily(out, samples, "nereid_queue_oldest_wait_seconds",
               "How long the oldest waiting request has waited.", "gauge",
               [](const ModelSample& sample) {
                 return Seconds(sample.statistics().queue_state.oldest_wait);
               });
  AppendFamily(out, samples, "nereid_queue_predicted_wait_seconds",
               "Waiting rows times the average time of a row, divided by the instances that may "
               "run at once.",
               "gauge", [](const ModelSample& sample) {
                 return sample.statistics().queue_state.predicted_wait_seconds;
               });
  AppendFamily(out, samples, "nereid_queue_wait_target_seconds",
               "The queue timeout of the model, else its queue delay, else 0.1.", "gauge",
               [](const ModelSample& sample) {
                 return Seconds(WaitTarget(sample.plan(), sample.statistics().queue_state));
               });
  AppendFamily(out, samples, "nereid_queue_saturation_ratio",
               "Predicted wait divided by its target; above 1 requests come faster than they are "
               "served.",
               "gauge", [](const ModelSample& sample) {
                 return QueueSaturation(sample.plan(), sample.statistics().queue_state);
               });
}

void AppendInstances(std::span<const ModelSample> samples, std::string& out) {
  AppendFamily(
      out, samples, "nereid_instances_serving", "Instances that take work.", "gauge",
      [](const ModelSample& sample) {
        return static_cast<uint64_t>(std::ranges::count(
            sample.statistics().instances, InstanceCondition::kServing, &InstanceState::condition));
      });
  AppendFamily(out, samples, "nereid_instance_poisonings_total",
               "Instances that their backend gave up on.", "counter",
               [](const ModelSample& sample) { return sample.statistics().poisonings; });
  AppendFamily(out, samples, "nereid_instance_rebuilds_total",
               "Poisoned instances that were built anew.", "counter",
               [](const ModelSample& sample) { return sample.statistics().rebuilds; });
}

// A counter of those models alone that have `Part`.
template <typename Part>
void AppendPart(std::span<const ModelSample> samples, std::string& out, std::string_view name,
                std::string_view help, std::optional<Part> ModelStatistics::* part,
                uint64_t Part::* counter) {
  bool is_first = true;
  for (const ModelSample& sample : samples) {
    const std::optional<Part>& of_model = sample.statistics().*part;
    if (!of_model) continue;
    if (std::exchange(is_first, false)) AppendFamily(out, name, help, "counter");
    sample.AppendTo(out, name, *of_model.*counter);
  }
}

void AppendPadding(std::span<const ModelSample> samples, std::string& out) {
  AppendPart(samples, out, "nereid_padding_input_bytes_total",
             "Bytes of inputs that are filled up to a common size.", &ModelStatistics::padding,
             &PaddingStatistics::input_bytes);
  AppendPart(samples, out, "nereid_padding_added_bytes_total",
             "Bytes that filling inputs up has added.", &ModelStatistics::padding,
             &PaddingStatistics::added_bytes);
}

void AppendHandOver(std::span<const ModelSample> samples, std::string& out) {
  AppendPart(samples, out, "nereid_ensemble_handed_on_bytes_total",
             "Bytes of tensors that a step has made and another reads.",
             &ModelStatistics::hand_over, &HandOverStatistics::bytes);
  AppendPart(samples, out, "nereid_ensemble_copied_bytes_total",
             "Bytes of such tensors that were copied between the steps.",
             &ModelStatistics::hand_over, &HandOverStatistics::copied_bytes);
  AppendPart(samples, out, "nereid_ensemble_copied_tensors_total",
             "Tensors that were copied between steps.", &ModelStatistics::hand_over,
             &HandOverStatistics::copied_tensors);
}

}  // namespace

base::Nanoseconds WaitTarget(const core::ModelPlan& plan) {
  if (plan.queue.default_timeout.count() > 0) return plan.queue.default_timeout;
  if (plan.batching && plan.batching->max_queue_delay.count() > 0) {
    return plan.batching->max_queue_delay;
  }
  return kDefaultWaitTarget;
}

double QueueSaturation(const core::ModelPlan& plan, const QueueState& queue) {
  return queue.predicted_wait_seconds / Seconds(WaitTarget(plan, queue));
}

void AppendExtendedMetrics(std::span<const ModelSample> samples, const ServerState& server,
                           std::string& out) {
  if (!samples.empty()) AppendHistograms(samples, out);
  AppendQueues(samples, out);
  AppendInstances(samples, out);
  AppendPadding(samples, out);
  AppendHandOver(samples, out);
  AppendGauge(out, "nereid_connections", "Open connections of clients.", server.connections);
  AppendGauge(out, "nereid_requests",
              "Requests between their head and the last byte of their answer.", server.requests);
  AppendGauge(out, "nereid_memory_used_bytes", "Bytes that requests, tensors and answers hold.",
              server.memory_used_bytes);
  AppendGauge(out, "nereid_memory_limit_bytes",
              "Bytes that requests, tensors and answers may hold together.",
              server.memory_limit_bytes);
}

}  // namespace serving::metrics
