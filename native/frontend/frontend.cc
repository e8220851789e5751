// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/frontend.h"

#include <tuple>
#include <utility>

#include "frontend/io_handler.h"
#include "metrics/exposition.h"

namespace serving::frontend {
namespace {

// thread 3 bits | generation 27 | slot 22: 52 bits, exact in a double.
constexpr int kSlotBits = 22;
constexpr int kGenerationBits = 27;

bool HaveSameLabels(const core::ModelPlan& a, const core::ModelPlan& b) {
  return std::tie(a.name, a.version, a.metric_tags) == std::tie(b.name, b.version, b.metric_tags);
}

}  // namespace

CallToken MakeToken(int thread, uint32_t generation, uint32_t slot) {
  return (static_cast<CallToken>(thread) << (kSlotBits + kGenerationBits)) |
         (static_cast<CallToken>(generation) << kSlotBits) | slot;
}

Frontend::Frontend(const FrontendOptions& options, engine::Engine& engine, ControlPort& control)
    : options_(options),
      engine_(engine),
      control_(control),
      policy_(Policy::Open()),
      aliases_(RouteAliases::Make({})),
      host_metrics_(engine.metrics_options()) {
  // Who watches health is told; a notice without a table.
  engine.SetHealthListener([this] { NotifyThreads({}, [] {}); });
  if (options_.load_reports) load_meter_ = std::make_unique<LoadMeter>(engine, in_flight_);
}

Frontend::~Frontend() {
  Stop();
  for (const auto& mailbox : mailboxes_) mailbox->Discard();
}

void Frontend::Attach(int thread_index, base::Ref<Mailbox> mailbox,
                      base::Ref<device::HostPool> pool) {
  std::lock_guard lock(mutex_);
  const auto index = static_cast<size_t>(thread_index);
  if (mailboxes_.size() <= index) {
    mailboxes_.resize(index + 1);
    pools_.resize(index + 1);
  }
  mailboxes_[index] = std::move(mailbox);
  pools_[index] = std::move(pool);
}

base::Status Frontend::StartThreads() {
  if (!options_.access_log.empty()) {
    ASSIGN_OR_RETURN(access_log_, AccessLog::Open(options_.access_log, options_.access_log_every));
  }
  auto server = net::Server::Start(
      options_.io_threads, options_.limits, [this](int index, base::Ref<base::Waker> waker) {
        return std::unique_ptr<net::RequestHandler>(
            std::make_unique<IoHandler>(*this, index, std::move(waker)));
      });
  if (!server.ok()) return server.status();
  server_ = server.Take();
  return {};
}

base::Result<net::Listening> Frontend::Listen(const net::ListenerOptions& options) {
  if (!server_) RETURN_IF_ERROR(StartThreads());
  return server_->Listen(options);
}

void Frontend::StopListening() {
  if (server_) server_->StopListening();
}

void Frontend::Stop() {
  engine_.SetHealthListener(nullptr);
  if (server_) server_->Stop();
  is_stopped_ = true;
  // Nobody looks any more: whoever waits for a table to be seen is told so.
  for (const auto& mailbox : mailboxes_) mailbox->Discard();
}

bool Frontend::Drain(base::Nanoseconds timeout) {
  std::unique_lock lock(drain_mutex_);
  is_draining_ = true;
  return drained_.wait_for(lock, timeout, [this] { return in_flight() == 0; });
}

void Frontend::CountClosed() {
  const bool was_last = in_flight_.fetch_sub(1) == 1;
  if (!was_last || !is_draining_) return;
  std::lock_guard lock(drain_mutex_);
  drained_.notify_all();
}

void Frontend::Publish(engine::DispatchTableRef table, std::function<void()> seen) {
  engine_.SetTable(table);
  TableNotice notice;
  notice.table = std::move(table);
  NotifyThreads(notice, [this, seen = std::move(seen)] {
    engine_.Settle();
    seen();
  });
}

PolicyRef Frontend::policy() {
  std::lock_guard lock(mutex_);
  return policy_;
}

void Frontend::SetPolicy(PolicyRef policy, std::function<void()> seen) {
  {
    std::lock_guard lock(mutex_);
    policy_ = policy;
  }
  TableNotice notice;
  notice.policy = std::move(policy);
  NotifyThreads(notice, std::move(seen));
}

trace::PlanRef Frontend::tracing() {
  std::lock_guard lock(mutex_);
  return tracing_;
}

void Frontend::SetTracing(trace::PlanRef plan, std::function<void()> seen) {
  {
    std::lock_guard lock(mutex_);
    tracing_ = plan;
  }
  TableNotice notice;
  notice.tracing = std::move(plan);
  NotifyThreads(notice, std::move(seen));
}

RouteAliasesRef Frontend::aliases() {
  std::lock_guard lock(mutex_);
  return aliases_;
}

void Frontend::SetAliases(RouteAliasesRef aliases, std::function<void()> seen) {
  {
    std::lock_guard lock(mutex_);
    aliases_ = aliases;
  }
  TableNotice notice;
  notice.aliases = std::move(aliases);
  NotifyThreads(notice, std::move(seen));
}

void Frontend::NotifyThreads(const TableNotice& notice, std::function<void()> seen) {
  std::vector<base::Ref<Mailbox>> mailboxes;
  {
    std::lock_guard lock(mutex_);
    mailboxes = mailboxes_;
  }
  if (mailboxes.empty() || is_stopped_) {
    seen();
    return;
  }
  auto acknowledgement =
      base::MakeRef<Acknowledgement>(static_cast<int>(mailboxes.size()), std::move(seen));
  for (const auto& mailbox : mailboxes) {
    auto own = std::make_unique<TableNotice>(notice);
    own->acknowledgement = acknowledgement;
    mailbox->Notify(own.release());
  }
}

void Frontend::Reply(CallToken token, std::unique_ptr<ControlReply> reply) {
  reply->slot = static_cast<uint32_t>(token & ((1u << kSlotBits) - 1));
  reply->generation = static_cast<uint32_t>(token >> kSlotBits) & ((1u << kGenerationBits) - 1);
  const auto thread = static_cast<size_t>(token >> (kSlotBits + kGenerationBits));
  base::Ref<Mailbox> mailbox;
  {
    std::lock_guard lock(mutex_);
    if (thread >= mailboxes_.size()) return;
    mailbox = mailboxes_[thread];
  }
  mailbox->Reply(reply.release());
}

void Frontend::SetMetricsText(std::string text) {
  std::lock_guard lock(mutex_);
  metrics_text_ = std::move(text);
}

std::string Frontend::RenderMetrics() {
  const metrics::MetricsOptions& options = engine_.metrics_options();
  auto snapshot = engine_.Snapshot();
  std::vector<metrics::ModelSample> samples;
  samples.reserve(snapshot.size());
  const core::ModelPlan* last = nullptr;
  for (auto& entry : snapshot) {
    const core::ModelPlan& plan = entry.model->plan();
    // The build that is to follow it has the same labels, and a page may have them once.
    if (last != nullptr && HaveSameLabels(*last, plan)) continue;
    last = &plan;
    samples.emplace_back(plan, std::move(entry.statistics), entry.model->load_seconds());
  }
  std::string text;
  // A page that grows by doubling costs five times as much: of 500 models 9 ms instead of 1.5.
  text.reserve(metrics_page_bytes_ + metrics_page_bytes_ / 8);
  metrics::AppendModelCounters(samples, options, text);
  metrics::AppendModelGauges(samples, text);
  {
    std::lock_guard lock(mutex_);
    host_metrics_.Append(std::chrono::steady_clock::now(), text);
  }
  metrics::AppendFirstResponses(samples, text);
  metrics::AppendSummaries(samples, options, text);
  if (options.extended) {
    metrics::AppendExtendedMetrics(samples,
                                   {.connections = connections(),
                                    .requests = in_flight(),
                                    .memory_used_bytes = engine_.budget()->used(),
                                    .memory_limit_bytes = engine_.budget()->limit()},
                                   text);
  }
  std::lock_guard lock(mutex_);
  text += metrics_text_;
  metrics_page_bytes_ = text.size();
  return text;
}

}  // namespace serving::frontend
