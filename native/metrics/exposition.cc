// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/exposition.h"

#include <algorithm>
#include <string_view>

namespace serving::metrics {
namespace {

uint64_t Micros(const Duration& duration) { return duration.ns / 1000; }

void AppendFailures(std::span<const ModelSample> samples, std::string& out) {
  constexpr std::string_view kName = "nv_inference_request_failure";
  constexpr std::string_view kReasons[] = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};
  if (samples.empty()) return;
  AppendFamily(out, kName, "Number of failed inference requests, all batch sizes", "counter");
  for (const ModelSample& sample : samples) {
    for (size_t i = 0; i < 4; ++i) {
      sample.AppendFailures(out, kName, kReasons[i], sample.statistics().failures[i]);
    }
  }
}

struct LatencyFamily {
  std::string_view counter;
  std::string_view counter_help;
  std::string_view summary;
  std::string_view summary_help;
  Duration ModelStatistics::* duration;
};

// By Stage. Triton's own words, which for the summaries of the compute stages are those of the
// counters.
constexpr LatencyFamily kLatencies[kStages] = {
    {"nv_inference_request_duration_us",
     "Cumulative inference request duration in microseconds (includes cached requests)",
     "nv_inference_request_summary_us",
     "Summary of inference request duration in microseconds (includes cached requests)",
     &ModelStatistics::success},
    {"nv_inference_queue_duration_us",
     "Cumulative inference queuing duration in microseconds (includes cached requests)",
     "nv_inference_queue_summary_us",
     "Summary of inference queuing duration in microseconds (includes cached requests)",
     &ModelStatistics::queue},
    {"nv_inference_compute_input_duration_us",
     "Cumulative compute input duration in microseconds (does not include cached requests)",
     "nv_inference_compute_input_summary_us",
     "Cumulative compute input duration in microseconds (does not include cached requests)",
     &ModelStatistics::compute_input},
    {"nv_inference_compute_infer_duration_us",
     "Cumulative compute inference duration in microseconds (does not include cached requests)",
     "nv_inference_compute_infer_summary_us",
     "Cumulative compute inference duration in microseconds (does not include cached requests)",
     &ModelStatistics::compute_infer},
    {"nv_inference_compute_output_duration_us",
     "Cumulative inference compute output duration in microseconds (does not include cached "
     "requests)",
     "nv_inference_compute_output_summary_us",
     "Cumulative inference compute output duration in microseconds (does not include cached "
     "requests)",
     &ModelStatistics::compute_output},
};

void AppendCacheCounters(std::span<const ModelSample> samples, std::string& out) {
  const auto append = [&](std::string_view name, std::string_view help, auto value) {
    bool has_family = false;
    for (const ModelSample& sample : samples) {
      if (!sample.statistics().cache) continue;
      if (!has_family) AppendFamily(out, name, help, "counter");
      has_family = true;
      sample.AppendTo(out, name, value(*sample.statistics().cache));
    }
  };
  append("nv_cache_num_hits_per_model", "Number of cache hits per model",
         [](const CacheStatistics& cache) { return cache.hit.count; });
  append("nv_cache_hit_duration_per_model", "Total cache hit duration per model, in microseconds",
         [](const CacheStatistics& cache) { return Micros(cache.hit); });
  append("nv_cache_num_misses_per_model", "Number of cache misses per model",
         [](const CacheStatistics& cache) { return cache.miss.count; });
  append("nv_cache_miss_duration_per_model",
         "Total cache miss (insert+lookup) duration per model, in microseconds",
         [](const CacheStatistics& cache) { return Micros(cache.miss); });
}

struct CacheFamily {
  std::string_view summary;
  std::string_view help;
  Duration CacheStatistics::* duration;
  std::vector<double> CacheStatistics::* quantiles;
};

constexpr CacheFamily kCacheSummaries[] = {
    {"nv_cache_hit_summary_per_model",
     "Summary of cache hit counts/durations per model, in microseconds.", &CacheStatistics::hit,
     &CacheStatistics::hit_summary},
    {"nv_cache_miss_summary_per_model",
     "Summary of cache miss counts/durations per model, in microseconds.", &CacheStatistics::miss,
     &CacheStatistics::miss_summary},
};

void AppendCacheSummary(std::span<const ModelSample> samples, const CacheFamily& family,
                        std::span<const std::string> labels, std::string& out) {
  bool has_family = false;
  for (const ModelSample& sample : samples) {
    if (!sample.statistics().cache) continue;
    if (!has_family) AppendFamily(out, family.summary, family.help, "summary");
    has_family = true;
    const CacheStatistics& cache = *sample.statistics().cache;
    const Duration& duration = cache.*family.duration;
    sample.AppendTo(out, std::string(family.summary) + "_count", duration.count);
    sample.AppendTo(out, std::string(family.summary) + "_sum", Micros(duration));
    for (size_t i = 0; i < labels.size(); ++i) {
      sample.AppendWith(out, family.summary, labels[i], (cache.*family.quantiles)[i]);
    }
  }
}

}  // namespace

void AppendModelCounters(std::span<const ModelSample> samples, const MetricsOptions& options,
                         std::string& out) {
  AppendFamily(out, samples, "nv_inference_request_success",
               "Number of successful inference requests, all batch sizes", "counter",
               [](const ModelSample& sample) { return sample.statistics().success.count; });
  AppendFailures(samples, out);
  AppendFamily(out, samples, "nv_inference_count",
               "Number of inferences performed (does not include cached requests)", "counter",
               [](const ModelSample& sample) { return sample.statistics().inference_count; });
  AppendFamily(out, samples, "nv_inference_exec_count",
               "Number of model executions performed (does not include cached requests)", "counter",
               [](const ModelSample& sample) { return sample.statistics().execution_count; });
  if (!options.counter_latencies) return;
  for (const LatencyFamily& family : kLatencies) {
    AppendFamily(
        out, samples, family.counter, family.counter_help, "counter",
        [&](const ModelSample& sample) { return Micros(sample.statistics().*family.duration); });
  }
  AppendCacheCounters(samples, out);
}

void AppendModelGauges(std::span<const ModelSample> samples, std::string& out) {
  AppendFamily(out, samples, "nv_inference_pending_request_count",
               "Instantaneous number of pending requests awaiting execution per-model.", "gauge",
               [](const ModelSample& sample) { return sample.statistics().queued; });
  AppendFamily(out, samples, "nv_model_load_duration_secs", "Model load time in seconds", "gauge",
               [](const ModelSample& sample) { return sample.load_seconds(); });
}

void AppendFirstResponses(std::span<const ModelSample> samples, std::string& out) {
  constexpr std::string_view kName = "nv_inference_first_response_histogram_ms";
  bool has_family = false;
  for (const ModelSample& sample : samples) {
    if (!sample.statistics().first_response_ms) continue;
    if (!has_family) {
      AppendFamily(out, kName, "Duration from request to first response in milliseconds",
                   "histogram");
      has_family = true;
    }
    const BoundedHistogram& histogram = *sample.statistics().first_response_ms;
    std::string buckets;
    uint64_t count = 0;
    for (size_t i = 0; i < histogram.counts().size(); ++i) {
      count += histogram.counts()[i];
      std::string le = "le=\"";
      if (i < histogram.bounds().size()) {
        AppendNumber(le, histogram.bounds()[i]);
      } else {
        le += "+Inf";
      }
      sample.AppendWith(buckets, "nv_inference_first_response_histogram_ms_bucket", le + '"',
                        count);
    }
    sample.AppendTo(out, "nv_inference_first_response_histogram_ms_count", count);
    sample.AppendTo(out, "nv_inference_first_response_histogram_ms_sum", histogram.sum());
    out += buckets;
  }
}

void AppendSummaries(std::span<const ModelSample> samples, const MetricsOptions& options,
                     std::string& out) {
  if (!options.summary_latencies || samples.empty()) return;
  std::vector<std::string> labels;
  for (const double quantile : options.summary_quantiles) {
    std::string& label = labels.emplace_back("quantile=\"");
    AppendNumber(label, quantile);
    label += '"';
  }
  for (size_t stage = 0; stage < kStages; ++stage) {
    const LatencyFamily& family = kLatencies[stage];
    // Triton has none of whole requests where answers may come from the cache.
    const auto is_shown = [&](const ModelSample& sample) {
      return !sample.statistics().cache || &family != kLatencies;
    };
    if (std::ranges::none_of(samples, is_shown)) continue;
    AppendFamily(out, family.summary, family.summary_help, "summary");
    const std::string count = std::string(family.summary) + "_count";
    const std::string sum = std::string(family.summary) + "_sum";
    for (const ModelSample& sample : samples) {
      if (!is_shown(sample)) continue;
      const Duration& duration = sample.statistics().*family.duration;
      sample.AppendTo(out, count, duration.count);
      sample.AppendTo(out, sum, Micros(duration));
      // Ensembles keep none.
      if (sample.statistics().summaries.empty()) continue;
      for (size_t i = 0; i < labels.size(); ++i) {
        sample.AppendWith(out, family.summary, labels[i], sample.statistics().summaries[stage][i]);
      }
    }
  }
  for (const CacheFamily& family : kCacheSummaries) {
    AppendCacheSummary(samples, family, labels, out);
  }
}

}  // namespace serving::metrics
