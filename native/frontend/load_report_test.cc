// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/load_report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

#include "frontend/load_meter.h"

namespace serving::frontend {
namespace {

constexpr LoadReport kReport{.cpu_utilization = 0.5,
                             .mem_utilization = 0.125,
                             .application_utilization = 1.75,
                             .rps = 1234.5678,
                             .eps = 0,
                             .queue_saturation = 1e-7,
                             .queued_requests = 3,
                             .requests = 1e6};

TEST(LoadReport, HasTheTextsOfBothDialects) {
  const std::string text =
      "cpu_utilization=0.5,mem_utilization=0.125,rps_fractional=1234.57,eps=0,"
      "application_utilization=1.75,named_metrics.queue_saturation=1e-07,"
      "named_metrics.queued_requests=3,named_metrics.requests=1e+06";
  EXPECT_EQ(WriteLoadReport(kReport, LoadForm::kText), "TEXT " + text);
  std::string plain = text;
  for (char& c : plain) c = c == '=' ? ':' : c;
  EXPECT_EQ(WriteLoadReport(kReport, LoadForm::kPlainText), plain);
}

TEST(LoadReport, HasTheJsonOfBothDialects) {
  const std::string json =
      R"({"cpu_utilization":0.5,"mem_utilization":0.125,"rps_fractional":1234.57,"eps":0,)"
      R"("application_utilization":1.75,"named_metrics":{"queue_saturation":1e-07,)"
      R"("queued_requests":3,"requests":1e+06}})";
  EXPECT_EQ(WriteLoadReport(kReport, LoadForm::kJson), "JSON " + json);
  EXPECT_EQ(WriteLoadReport(kReport, LoadForm::kPlainJson), json);
}

// The same message as protoc's: fields 1, 2, 6, 7, 9 as doubles, then field 8 as a map.
TEST(LoadReport, HasTheMessageInPaddedBase64) {
  const std::string text = WriteLoadReport({.cpu_utilization = 0.5}, LoadForm::kBin);
  EXPECT_EQ(text.size() % 4, 0u);
  // 0x09 and 0.5 in little-endian, 0x11 and 0, 0x31 …
  EXPECT_EQ(text.substr(0, 28), "CQAAAAAAAOA/EQAAAAAAAAAAMQAA");
}

TEST(LoadReport, StandsInOneHeaderOfTheDialect) {
  EXPECT_EQ(LoadHeaderName(LoadForm::kText), "endpoint-load-metrics");
  EXPECT_EQ(LoadHeaderName(LoadForm::kJson), "endpoint-load-metrics");
  EXPECT_EQ(LoadHeaderName(LoadForm::kPlainText), "endpoint-load-metrics");
  EXPECT_EQ(LoadHeaderName(LoadForm::kPlainJson), "endpoint-load-metrics-json");
  EXPECT_EQ(LoadHeaderName(LoadForm::kBin), "endpoint-load-metrics-bin");
}

TEST(LoadForm, IsAskedForByName) {
  for (const auto& [name, form] : {std::pair{"text", LoadForm::kText},
                                   {"json", LoadForm::kJson},
                                   {"bin", LoadForm::kBin},
                                   {"plain-text", LoadForm::kPlainText},
                                   {"plain-json", LoadForm::kPlainJson}}) {
    EXPECT_EQ(ParseLoadForm(name), form);
  }
  for (const auto* name : {"", "TEXT", "xml", "text "}) EXPECT_FALSE(ParseLoadForm(name)) << name;
}

LoadSample SampleAt(int seconds) {
  LoadSample sample;
  sample.at = base::Instant(std::chrono::seconds(seconds));
  return sample;
}

LoadSample::ModelLoad Busy(int seconds, int64_t instances = 1, double saturation = 0) {
  return {.busy_ns = static_cast<uint64_t>(seconds) * 1'000'000'000,
          .saturation = saturation,
          .instances = instances};
}

// Long after the start the averages are what happened since.
TEST(LoadAverages, AreRatesOfWhatHasGrown) {
  LoadAverages averages(/*cpus=*/4, SampleAt(0));
  LoadSample sample = SampleAt(100);
  sample.cpu_ns = 200'000'000'000;  // two CPUs of four
  sample.ended = 5000;
  sample.failed = 300;
  LoadReport report;
  averages.Advance(std::move(sample), report);
  EXPECT_NEAR(report.cpu_utilization, 0.5, 1e-9);
  EXPECT_NEAR(report.rps, 50, 1e-9);
  EXPECT_NEAR(report.eps, 3, 1e-9);
}

TEST(LoadAverages, KeepPartOfWhatWasBefore) {
  LoadAverages averages(1, SampleAt(0));
  LoadSample sample = SampleAt(2);
  sample.ended = 200;
  LoadReport report;
  averages.Advance(sample, report);
  EXPECT_NEAR(report.rps, 100 * (1 - std::exp(-1)), 1e-9);
  sample.at = base::Instant(std::chrono::seconds(4));
  averages.Advance(sample, report);
  EXPECT_NEAR(report.rps, 100 * (1 - std::exp(-1)) * std::exp(-1), 1e-9);
}

TEST(LoadAverages, TellOfTheBusiestModel) {
  LoadAverages averages(1, SampleAt(0));
  LoadSample sample = SampleAt(100);
  sample.models[{"idle", 1}] = Busy(10);
  sample.models[{"two", 1}] = Busy(150, 2);
  LoadReport report;
  averages.Advance(sample, report);
  EXPECT_NEAR(report.application_utilization, 0.75, 1e-9);
  EXPECT_EQ(report.queue_saturation, 0);

  LoadSample later = SampleAt(200);
  later.models[{"idle", 1}] = Busy(10, 1, 2.5);
  averages.Advance(later, report);  // the other one has gone
  EXPECT_NEAR(report.application_utilization, 2.5, 1e-9);
  EXPECT_EQ(report.queue_saturation, 2.5);
}

TEST(LoadAverages, NeverFallBelowZeroWhenAModelGoes) {
  LoadAverages averages(1, SampleAt(0));
  LoadSample sample = SampleAt(1);
  sample.ended = 100;
  sample.models[{"m", 1}] = Busy(1);
  LoadReport report;
  averages.Advance(sample, report);
  averages.Advance(SampleAt(100), report);
  EXPECT_GE(report.rps, 0);
  EXPECT_EQ(report.application_utilization, 0);
  // Two readings of one moment are one.
  averages.Advance(SampleAt(100), report);
  EXPECT_TRUE(std::isfinite(report.rps));
}

}  // namespace
}  // namespace serving::frontend
