// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/load_meter.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iterator>

#include "base/memory_budget.h"
#include "base/thread.h"
#include "metrics/exposition.h"

namespace serving::frontend {
namespace {

using std::chrono::steady_clock;

// Balancers weigh servers anew every second; an average over two is new and still calm.
constexpr double kMemorySeconds = 2;

uint64_t ProcessCpuNs() {
  timespec time{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0) return 0;
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// Counters fall when the model that had them goes.
double Growth(uint64_t before, uint64_t now) {
  return now > before ? static_cast<double>(now - before) : 0;
}

LoadSample TakeSample(const std::vector<engine::Engine::NamedSample>& models, base::Instant now) {
  LoadSample sample{.at = now, .cpu_ns = ProcessCpuNs(), .ended = 0, .failed = 0, .models = {}};
  for (const auto& [handle, model, statistics] : models) {
    sample.ended += statistics.success.count + statistics.fail.count;
    sample.failed += statistics.fail.count;
    const core::ModelPlan& plan = model->plan();
    LoadSample::ModelLoad& load = sample.models[{plan.name, plan.version}];
    for (const auto& [rows, batch] : statistics.batches) {
      load.busy_ns += batch.compute_input.ns + batch.compute_infer.ns + batch.compute_output.ns;
    }
    load.saturation = metrics::QueueSaturation(plan, statistics.queue_state);
    load.instances = std::max<int64_t>(1, std::ssize(statistics.instances));
  }
  return sample;
}

}  // namespace

void LoadAverages::Advance(LoadSample sample, LoadReport& report) {
  const double seconds = std::chrono::duration<double>(sample.at - last_.at).count();
  if (seconds <= 0) return;
  const double weight = 1 - std::exp(-seconds / kMemorySeconds);
  const auto blend = [&](double& average, double growth) {
    average += weight * (growth / seconds - average);
    return average;
  };
  report.cpu_utilization = blend(cpu_, Growth(last_.cpu_ns, sample.cpu_ns) / 1e9 / cpus_);
  report.rps = blend(rps_, Growth(last_.ended, sample.ended));
  report.eps = blend(eps_, Growth(last_.failed, sample.failed));
  report.application_utilization = report.queue_saturation = 0;
  std::erase_if(busy_, [&](const auto& entry) { return !sample.models.contains(entry.first); });
  for (const auto& [key, load] : sample.models) {
    const auto before = last_.models.find(key);
    const uint64_t then = before == last_.models.end() ? 0 : before->second.busy_ns;
    const double growth = Growth(then, load.busy_ns) / 1e9 / static_cast<double>(load.instances);
    // Busy instances fill the first part of the scale, waiting requests what is beyond it.
    const double utilization = blend(busy_[key], growth) + load.saturation;
    report.application_utilization = std::max(report.application_utilization, utilization);
    report.queue_saturation = std::max(report.queue_saturation, load.saturation);
  }
  last_ = std::move(sample);
}

LoadMeter::LoadMeter(engine::Engine& engine, const std::atomic<size_t>& requests)
    : engine_(engine),
      requests_(requests),
      averages_(base::AllowedCpus(), TakeSample({}, steady_clock::now())) {}

LoadReport LoadMeter::Read(base::Instant now) {
  {
    std::lock_guard lock(mutex_);
    if (now < renew_at_) return report_;
    renew_at_ = now + kLoadInterval;
  }
  const auto models = engine_.Snapshot();
  LoadSample sample = TakeSample(models, now);
  double queued = 0;
  for (const auto& entry : models) queued += static_cast<double>(entry.statistics.queued);
  const base::MemoryBudget& budget = *engine_.budget();
  std::lock_guard lock(mutex_);
  averages_.Advance(std::move(sample), report_);
  report_.queued_requests = queued;
  report_.requests = static_cast<double>(requests_.load(std::memory_order_relaxed));
  report_.mem_utilization =
      static_cast<double>(budget.used()) / static_cast<double>(std::max<size_t>(1, budget.limit()));
  return report_;
}

LoadForm LoadHeaders::FormFor(const net::RequestHead& head) const {
  const auto asked = head.Find(kLoadFormHeader);
  return asked ? ParseLoadForm(*asked).value_or(unasked_) : unasked_;
}

net::Header LoadHeaders::Header(LoadForm form) {
  const base::Instant now = steady_clock::now();
  if (now >= renew_at_) {
    renew_at_ = now + kLoadInterval;
    report_ = meter_.Read(now);
    for (std::string& text : texts_) text.clear();
  }
  std::string& text = texts_[static_cast<size_t>(form)];
  if (text.empty()) text = WriteLoadReport(report_, form);
  return {LoadHeaderName(form), text};
}

}  // namespace serving::frontend
