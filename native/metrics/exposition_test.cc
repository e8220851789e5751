// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/exposition.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace serving::metrics {
namespace {

// A page of the Prometheus text format 0.0.4, read as strictly as its grammar allows.
struct Page {
  std::map<std::string, std::string> types;
  std::map<std::string, double> samples;  // by name with labels as written
  std::vector<std::string> complaints;
};

Page Parse(const std::string& text) {
  static const std::regex kHelp(R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\n]+)");
  static const std::regex kType(
      R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary))");
  static const std::regex kSample(
      R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*\})? (-?[0-9.e+-]+|Nan))re");
  Page page;
  std::set<std::string> ended;
  std::string family;
  // Buckets, sums and counts belong to their histogram or summary.
  const auto family_of = [&](const std::string& name) {
    static const std::regex kPart("(.*)_(bucket|sum|count)");
    std::smatch match;
    return std::regex_match(name, match, kPart) && page.types.contains(match[1]) ? match[1].str()
                                                                                 : name;
  };
  const auto enter = [&](const std::string& name) {
    if (name == family) return;
    if (!ended.insert(name).second) page.complaints.push_back(name + " is in two places");
    family = name;
  };
  if (!text.empty() && text.back() != '\n') page.complaints.push_back("the last line has no end");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kHelp)) {
      enter(match[1]);
    } else if (std::regex_match(line, match, kType)) {
      enter(match[1]);
      if (!page.types.emplace(match[1], match[2]).second) page.complaints.push_back(line);
    } else if (std::regex_match(line, match, kSample)) {
      enter(family_of(match[1]));
      if (!page.types.contains(family_of(match[1]))) page.complaints.push_back("no type: " + line);
      const std::string key = match[1].str() + match[2].str();
      if (!page.samples.emplace(key, std::stod(match[3])).second) page.complaints.push_back(line);
    } else {
      page.complaints.push_back("no such line: " + line);
    }
  }
  return page;
}

core::ModelPlan Plan(std::string name, int64_t version = 1) {
  core::ModelPlan plan;
  plan.name = std::move(name);
  plan.version = version;
  return plan;
}

ModelStatistics Busy() {
  ModelStatistics statistics;
  statistics.success = {.count = 7, .ns = 7'000'999};
  statistics.failures[0] = 1;
  statistics.failures[2] = 3;
  statistics.inference_count = 20;
  statistics.execution_count = 5;
  statistics.queue = {.count = 7, .ns = 1'500};
  statistics.compute_input = {.count = 7, .ns = 2'000};
  statistics.compute_infer = {.count = 7, .ns = 3'000};
  statistics.compute_output = {.count = 7, .ns = 4'000};
  statistics.queued = 4;
  return statistics;
}

// Every part of the page, as the frontend puts it together.
std::string Render(const std::vector<ModelSample>& samples, const MetricsOptions& options) {
  std::string text;
  AppendModelCounters(samples, options, text);
  AppendModelGauges(samples, text);
  AppendFirstResponses(samples, text);
  AppendSummaries(samples, options, text);
  if (options.extended) AppendExtendedMetrics(samples, {.connections = 3}, text);
  return text;
}

double At(const Page& page, const std::string& key) {
  const auto found = page.samples.find(key);
  return found == page.samples.end() ? -1.0 : found->second;
}

TEST(Exposition, GivesCountersAndSummariesOfTheCacheForModelsThatHaveOne) {
  const core::ModelPlan plain = Plan("plain");
  const core::ModelPlan cached = Plan("cached");
  MetricsOptions options;
  options.summary_latencies = true;
  options.summary_quantiles = {0.5};
  ModelStatistics kept = Busy();
  kept.summaries.assign(kStages, {1});
  const ModelStatistics other = kept;
  kept.cache = {.hit = {.count = 3, .ns = 4'500},
                .miss = {.count = 2, .ns = 9'999},
                .hit_summary = {1},
                .miss_summary = {5}};
  const Page page = Parse(Render({{plain, other, 0}, {cached, kept, 0}}, options));
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  const std::string labels = R"({model="cached",version="1"})";
  EXPECT_EQ(At(page, "nv_cache_num_hits_per_model" + labels), 3);
  EXPECT_EQ(At(page, "nv_cache_hit_duration_per_model" + labels), 4);
  EXPECT_EQ(At(page, "nv_cache_num_misses_per_model" + labels), 2);
  EXPECT_EQ(At(page, "nv_cache_miss_duration_per_model" + labels), 9);
  EXPECT_EQ(At(page, "nv_cache_hit_summary_per_model_count" + labels), 3);
  EXPECT_EQ(At(page, "nv_cache_miss_summary_per_model_sum" + labels), 9);
  EXPECT_EQ(page.types.at("nv_cache_num_hits_per_model"), "counter");
  EXPECT_EQ(page.types.at("nv_cache_miss_summary_per_model"), "summary");
  const std::string plain_labels = R"({model="plain",version="1"})";
  EXPECT_EQ(At(page, "nv_cache_num_hits_per_model" + plain_labels), -1);
  EXPECT_EQ(At(page, "nv_inference_request_summary_us_count" + plain_labels), 7);
  EXPECT_EQ(At(page, "nv_inference_request_summary_us_count" + labels), -1);
  EXPECT_EQ(At(page, "nv_inference_queue_summary_us_count" + labels), 7);
  const Page alone = Parse(Render({{cached, kept, 0}}, options));
  EXPECT_FALSE(alone.types.contains("nv_inference_request_summary_us"));
  EXPECT_FALSE(
      Parse(Render({{plain, other, 0}}, options)).types.contains("nv_cache_num_hits_per_model"));
}

TEST(Exposition, GivesEveryFamilyOfTritonForEveryVersion) {
  const core::ModelPlan first = Plan("a");
  const core::ModelPlan second = Plan("a", 2);
  const std::vector<ModelSample> samples = {{first, Busy(), 0.25}, {second, {}, 1e-7}};
  const Page page = Parse(Render(samples, {}));
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  const std::string labels = R"({model="a",version="1"})";
  EXPECT_EQ(At(page, "nv_inference_request_success" + labels), 7);
  EXPECT_EQ(At(page, "nv_inference_count" + labels), 20);
  EXPECT_EQ(At(page, "nv_inference_exec_count" + labels), 5);
  EXPECT_EQ(At(page, "nv_inference_request_duration_us" + labels), 7000);
  EXPECT_EQ(At(page, "nv_inference_queue_duration_us" + labels), 1);
  EXPECT_EQ(At(page, "nv_inference_compute_input_duration_us" + labels), 2);
  EXPECT_EQ(At(page, "nv_inference_compute_infer_duration_us" + labels), 3);
  EXPECT_EQ(At(page, "nv_inference_compute_output_duration_us" + labels), 4);
  EXPECT_EQ(At(page, "nv_inference_pending_request_count" + labels), 4);
  EXPECT_EQ(At(page, "nv_model_load_duration_secs" + labels), 0.25);
  EXPECT_EQ(At(page, R"(nv_model_load_duration_secs{model="a",version="2"})"), 1e-7);
  const std::string failure = R"(nv_inference_request_failure{model="a",reason=")";
  EXPECT_EQ(At(page, failure + R"(REJECTED",version="1"})"), 1);
  EXPECT_EQ(At(page, failure + R"(CANCELED",version="1"})"), 0);
  EXPECT_EQ(At(page, failure + R"(BACKEND",version="1"})"), 3);
  EXPECT_EQ(At(page, failure + R"(OTHER",version="2"})"), 0);
  EXPECT_EQ(page.types.at("nv_inference_request_success"), "counter");
  EXPECT_EQ(page.types.at("nv_inference_pending_request_count"), "gauge");
  EXPECT_EQ(page.types.size(), 11u);
}

TEST(Exposition, LeavesTheLatencyCountersOutWhenToldTo) {
  const core::ModelPlan plan = Plan("a");
  const std::vector<ModelSample> samples = {{plan, Busy(), 0}};
  const Page page = Parse(Render(samples, {.counter_latencies = false}));
  EXPECT_EQ(At(page, R"(nv_inference_request_success{model="a",version="1"})"), 7);
  EXPECT_FALSE(page.types.contains("nv_inference_request_duration_us"));
  EXPECT_EQ(page.types.size(), 6u);
}

TEST(Exposition, EscapesWhatUsersWroteAndPutsTagsFirst) {
  core::ModelPlan plan = Plan("q\"uo\\te\nline");
  plan.metric_tags = {{"_where", "c\\d\ne"}, {"_team", "a\"b"}};
  const std::string text = Render({{plan, {}, 0}}, {});
  const Page page = Parse(text);
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  const std::string labels = R"(_team="a\"b",_where="c\\d\ne",model="q\"uo\\te\nline")";
  EXPECT_TRUE(page.samples.contains("nv_inference_count{" + labels + R"(,version="1"})"));
  EXPECT_TRUE(page.samples.contains("nv_inference_request_failure{" + labels +
                                    R"(,reason="OTHER",version="1"})"));
}

TEST(Exposition, IsEmptyWithoutAnyModel) {
  EXPECT_EQ(Render({}, {.histogram_latencies = true, .summary_latencies = true}), "");
}

TEST(Exposition, KeepsBigCountersExact) {
  core::ModelPlan plan = Plan("m");
  ModelStatistics statistics;
  statistics.inference_count = UINT64_MAX;
  const std::string text = Render({{plan, statistics, 0}}, {});
  EXPECT_NE(text.find("} 18446744073709551615\n"), std::string::npos);
}

TEST(Exposition, WritesSummariesAsTriton) {
  core::ModelPlan plan = Plan("m");
  ModelStatistics statistics = Busy();
  statistics.summaries.assign(kStages, {12, std::nan("")});
  const std::string text = Render({{plan, statistics, 0}},
                                  {.summary_latencies = true, .summary_quantiles = {0.5, 0.999}});
  EXPECT_EQ(Parse(text).complaints, std::vector<std::string>());
  EXPECT_NE(
      text.find("# TYPE nv_inference_queue_summary_us summary\n"
                "nv_inference_queue_summary_us_count{model=\"m\",version=\"1\"} 7\n"
                "nv_inference_queue_summary_us_sum{model=\"m\",version=\"1\"} 1\n"
                "nv_inference_queue_summary_us{model=\"m\",version=\"1\",quantile=\"0.5\"} 12\n"
                "nv_inference_queue_summary_us{model=\"m\",version=\"1\",quantile=\"0.999\"} "
                "Nan\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(Parse(text).types.size(), 16u);
}

TEST(Exposition, WritesTheFirstResponsesOfDecoupledModelsOnly) {
  core::ModelPlan plain = Plan("plain");
  core::ModelPlan stream = Plan("stream");
  ModelStatistics statistics;
  BoundedHistogram histogram({-1, 0.0, 2.5, 100'000});
  for (const uint64_t ms : {0, 1, 1, 7}) histogram.Add(ms);
  statistics.first_response_ms = histogram;
  const std::string text = Render({{plain, {}, 0}, {stream, statistics, 0}}, {});
  EXPECT_EQ(Parse(text).complaints, std::vector<std::string>());
  const std::string expected = R"(# TYPE nv_inference_first_response_histogram_ms histogram
nv_inference_first_response_histogram_ms_count{model="stream",version="1"} 4
nv_inference_first_response_histogram_ms_sum{model="stream",version="1"} 9
nv_inference_first_response_histogram_ms_bucket{model="stream",version="1",le="-1"} 0
nv_inference_first_response_histogram_ms_bucket{model="stream",version="1",le="0"} 1
nv_inference_first_response_histogram_ms_bucket{model="stream",version="1",le="2.5"} 3
nv_inference_first_response_histogram_ms_bucket{model="stream",version="1",le="100000"} 4
nv_inference_first_response_histogram_ms_bucket{model="stream",version="1",le="+Inf"} 4
)";
  EXPECT_NE(text.find(expected), std::string::npos) << text;
}

TEST(Exposition, GivesHistogramsQueuesAndTheServerBeyondTriton) {
  core::ModelPlan plan = Plan("m");
  plan.queue.default_timeout = std::chrono::milliseconds(500);
  ModelStatistics statistics = Busy();
  for (LatencyHistogram& histogram : statistics.histograms) {
    histogram.Add(std::chrono::microseconds(100), 4);
    histogram.Add(std::chrono::milliseconds(3), 3);
  }
  statistics.queue_state = {.rows = 40,
                            .bytes = 4096,
                            .oldest_wait = std::chrono::milliseconds(250),
                            .predicted_wait_seconds = 0.75};
  const Page page = Parse(Render({{plan, statistics, 0}}, {.extended = true}));
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  const std::string labels = R"({model="m",version="1"})";
  for (const std::string stage :
       {"request", "queue", "compute_input", "compute_infer", "compute_output"}) {
    const std::string name = "nereid_inference_" + stage + "_duration_seconds";
    const auto bucket = [&](const std::string& le) {
      return At(page, name + R"(_bucket{model="m",version="1",le=")" + le + "\"}");
    };
    EXPECT_EQ(page.types.at(name), "histogram");
    EXPECT_EQ(bucket("0.0001"), 4);
    EXPECT_EQ(bucket("0.0025"), 4);
    EXPECT_EQ(bucket("0.005"), 7);
    EXPECT_EQ(bucket("10"), 7);
    EXPECT_EQ(bucket("+Inf"), 7);
    EXPECT_EQ(At(page, name + "_count" + labels), 7);
  }
  EXPECT_DOUBLE_EQ(At(page, "nereid_inference_request_duration_seconds_sum" + labels), 0.007000999);
  EXPECT_EQ(At(page, "nereid_queue_requests" + labels), 4);
  EXPECT_EQ(At(page, "nereid_queue_bytes" + labels), 4096);
  EXPECT_EQ(At(page, "nereid_queue_oldest_wait_seconds" + labels), 0.25);
  EXPECT_EQ(At(page, "nereid_queue_predicted_wait_seconds" + labels), 0.75);
  EXPECT_EQ(At(page, "nereid_queue_wait_target_seconds" + labels), 0.5);
  EXPECT_EQ(At(page, "nereid_queue_saturation_ratio" + labels), 1.5);
  EXPECT_EQ(At(page, "nereid_connections"), 3);
}

TEST(Exposition, TheWaitTargetIsTheTimeoutThenTheDelayThenATenthOfASecond) {
  core::ModelPlan plan = Plan("m");
  const auto target = [&] {
    return At(Parse(Render({{plan, {}, 0}}, {.extended = true})),
              R"(nereid_queue_wait_target_seconds{model="m",version="1"})");
  };
  EXPECT_EQ(target(), 0.1);
  plan.batching.emplace();
  EXPECT_EQ(target(), 0.1);
  plan.batching->max_queue_delay = std::chrono::milliseconds(20);
  EXPECT_EQ(target(), 0.02);
  plan.queue.default_timeout = std::chrono::seconds(2);
  EXPECT_EQ(target(), 2);
}

TEST(Exposition, ShowsPaddingAndEnsemblesOfThoseThatHaveThem) {
  const core::ModelPlan plain = Plan("plain");
  const core::ModelPlan padded = Plan("padded");
  const core::ModelPlan ensemble = Plan("ensemble");
  ModelStatistics pads;
  pads.padding = PaddingStatistics{.input_bytes = 300, .added_bytes = 40};
  ModelStatistics hands_on;
  hands_on.hand_over = HandOverStatistics{.bytes = 64, .copied_bytes = 8, .copied_tensors = 2};
  const std::vector<ModelSample> samples = {
      {plain, {}, 0}, {padded, pads, 0}, {ensemble, hands_on, 0}};
  const Page page = Parse(Render(samples, {.extended = true}));
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  const std::map<std::string, double> expected = {
      {R"(nereid_padding_input_bytes_total{model="padded",version="1"})", 300},
      {R"(nereid_padding_added_bytes_total{model="padded",version="1"})", 40},
      {R"(nereid_ensemble_handed_on_bytes_total{model="ensemble",version="1"})", 64},
      {R"(nereid_ensemble_copied_bytes_total{model="ensemble",version="1"})", 8},
      {R"(nereid_ensemble_copied_tensors_total{model="ensemble",version="1"})", 2}};
  std::map<std::string, double> found;
  for (const auto& [name, value] : page.samples) {
    if (name.starts_with("nereid_padding_") || name.starts_with("nereid_ensemble_")) {
      found[name] = value;
    }
  }
  EXPECT_EQ(found, expected);
  const std::string without = Render({{plain, {}, 0}}, {.extended = true});
  EXPECT_EQ(without.find("nereid_padding_"), std::string::npos);
  EXPECT_EQ(without.find("nereid_ensemble_"), std::string::npos);
}

// A page that nobody would like to wait for: 500 versions, each with everything.
TEST(Exposition, WritesFiveHundredModels) {
  std::vector<core::ModelPlan> plans;
  for (int i = 0; i < 500; ++i) plans.push_back(Plan("model_" + std::to_string(i)));
  std::vector<ModelSample> samples;
  for (const core::ModelPlan& plan : plans) samples.emplace_back(plan, Busy(), 1.5);
  const std::string text = Render(samples, {.extended = true});
  EXPECT_EQ(std::ranges::count(text, '\n'), 500 * (14 + 5 * 19 + 9) + 2 * (11 + 5 + 9 + 4) + 4);
}

TEST(Duration, NeverGoesBack) {
  Duration duration;
  duration.Add(base::Nanoseconds(5), 3);
  duration.Add(base::Nanoseconds(-100));
  EXPECT_EQ(duration.count, 4u);
  EXPECT_EQ(duration.ns, 15u);
}

}  // namespace
}  // namespace serving::metrics
