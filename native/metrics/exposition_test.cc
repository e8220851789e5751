// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/exposition.h"

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
  static const std::regex kType(R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge))");
  static const std::regex kSample(
      R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*\})? (-?[0-9.e+-]+))re");
  Page page;
  std::set<std::string> ended;
  std::string family;
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
      enter(match[1]);
      if (!page.types.contains(match[1])) page.complaints.push_back("no type: " + line);
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

TEST(Exposition, GivesEveryFamilyOfTritonForEveryVersion) {
  const core::ModelPlan first = Plan("a");
  const core::ModelPlan second = Plan("a", 2);
  const std::vector<ModelSample> samples = {{&first, Busy(), 0.25}, {&second, {}, 1e-7}};
  std::string text;
  AppendModelMetrics(samples, text);
  const Page page = Parse(text);
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  const auto at = [&](const std::string& key) {
    const auto found = page.samples.find(key);
    return found == page.samples.end() ? -1.0 : found->second;
  };
  const std::string labels = R"({model="a",version="1"})";
  EXPECT_EQ(at("nv_inference_request_success" + labels), 7);
  EXPECT_EQ(at("nv_inference_count" + labels), 20);
  EXPECT_EQ(at("nv_inference_exec_count" + labels), 5);
  EXPECT_EQ(at("nv_inference_request_duration_us" + labels), 7000);
  EXPECT_EQ(at("nv_inference_queue_duration_us" + labels), 1);
  EXPECT_EQ(at("nv_inference_compute_input_duration_us" + labels), 2);
  EXPECT_EQ(at("nv_inference_compute_infer_duration_us" + labels), 3);
  EXPECT_EQ(at("nv_inference_compute_output_duration_us" + labels), 4);
  EXPECT_EQ(at("nv_inference_pending_request_count" + labels), 4);
  EXPECT_EQ(at("nv_model_load_duration_secs" + labels), 0.25);
  EXPECT_EQ(at(R"(nv_model_load_duration_secs{model="a",version="2"})"), 1e-7);
  EXPECT_EQ(at(R"(nv_inference_request_failure{model="a",reason="REJECTED",version="1"})"), 1);
  EXPECT_EQ(at(R"(nv_inference_request_failure{model="a",reason="CANCELED",version="1"})"), 0);
  EXPECT_EQ(at(R"(nv_inference_request_failure{model="a",reason="BACKEND",version="1"})"), 3);
  EXPECT_EQ(at(R"(nv_inference_request_failure{model="a",reason="OTHER",version="2"})"), 0);
  EXPECT_EQ(page.types.at("nv_inference_request_success"), "counter");
  EXPECT_EQ(page.types.at("nv_inference_pending_request_count"), "gauge");
  EXPECT_EQ(page.types.size(), 11u);
}

TEST(Exposition, EscapesWhatUsersWrote) {
  core::ModelPlan plan = Plan("q\"uo\\te\nline");
  plan.metric_tags = {{"_team", "a\"b"}, {"_where", "c\\d\ne"}};
  std::string text;
  AppendModelMetrics(std::vector<ModelSample>{{&plan, {}, 0}}, text);
  const Page page = Parse(text);
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  EXPECT_TRUE(page.samples.contains(
      R"(nv_inference_count{model="q\"uo\\te\nline",version="1",_team="a\"b",_where="c\\d\ne"})"));
}

TEST(Exposition, HasItsTypesWithoutAnyModel) {
  std::string text;
  AppendModelMetrics({}, text);
  const Page page = Parse(text);
  EXPECT_EQ(page.complaints, std::vector<std::string>());
  EXPECT_TRUE(page.samples.empty());
}

TEST(Exposition, KeepsBigCountersExact) {
  core::ModelPlan plan = Plan("m");
  ModelStatistics statistics;
  statistics.inference_count = UINT64_MAX;
  std::string text;
  AppendModelMetrics(std::vector<ModelSample>{{&plan, statistics, 0}}, text);
  EXPECT_NE(text.find("} 18446744073709551615\n"), std::string::npos);
}

TEST(HostMetrics, ReadsThisMachine) {
  HostMetrics host;
  for (int round = 0; round < 2; ++round) {
    std::string text;
    host.Append(text);
    const Page page = Parse(text);
    EXPECT_EQ(page.complaints, std::vector<std::string>());
    EXPECT_GE(page.samples.at("nv_cpu_utilization"), 0);
    EXPECT_LE(page.samples.at("nv_cpu_utilization"), 1);
    EXPECT_GT(page.samples.at("nv_cpu_memory_total_bytes"),
              page.samples.at("nv_cpu_memory_used_bytes"));
    EXPECT_GT(page.samples.at("nv_cpu_memory_used_bytes"), 0);
  }
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
