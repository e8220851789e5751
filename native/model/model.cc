// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/model.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "metrics/exposition.h"
#include "model/counting_sink.h"
#include "model/padding.h"
#include "model/shapes.h"
#include "scheduler/queue_policy.h"

namespace serving::model {
namespace {

using base::Instant;
using base::Nanoseconds;
using std::chrono::duration_cast;
using std::chrono::steady_clock;

// An inline run that takes longer than this puts the model's next kWatchedRuns under watch. One of
// those that takes as long by its own doing makes the model threaded until it is loaded again.
constexpr Nanoseconds kInlineTooLong = std::chrono::milliseconds(1);
constexpr int kWatchedRuns = 16;
// Weight of the newest execution in the average time per row.
constexpr int kRowTimeWeight = 8;

// What the kernel says of the calling thread.
struct ThreadUsage {
  Nanoseconds cpu{0};
  long preemptions = 0;
};

ThreadUsage UsageOfThisThread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto time = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return {.cpu = time(usage.ru_utime) + time(usage.ru_stime), .preemptions = usage.ru_nivcsw};
}

// A long run was long because it computed or waited that long, not because the kernel gave the CPU
// to another thread.
bool IsOwnDoing(const ThreadUsage& before, const ThreadUsage& after) {
  return after.preemptions == before.preemptions || after.cpu - before.cpu > kInlineTooLong;
}

base::Status StatusOf(scheduler::DropReason reason) {
  switch (reason) {
    case scheduler::DropReason::kCancelled:
      return base::Cancelled("Request is cancelled");
    case scheduler::DropReason::kDeadline:
      return base::DeadlineExceeded("Deadline Exceeded");
    case scheduler::DropReason::kTimeout:
      return base::Unavailable("Request timeout expired");
  }
  return {};
}

}  // namespace

base::Result<base::Ref<Model>> Model::Load(core::ModelPlan plan, backend::Backend& backend,
                                           const ModelOptions& options) {
  const Instant start = steady_clock::now();
  ASSIGN_OR_RETURN(auto backend_model, backend.Load(plan));
  ASSIGN_OR_RETURN(auto model,
                   LoadInstance(std::move(plan), backend, std::move(backend_model), 0, options));
  model->load_seconds_ = std::chrono::duration<double>(steady_clock::now() - start).count();
  return model;
}

base::Result<base::Ref<Model>> Model::LoadInstance(
    core::ModelPlan plan, backend::Backend& backend,
    std::shared_ptr<backend::BackendModel> backend_model, int instance,
    const ModelOptions& options) {
  auto samples = std::exchange(plan.warmup, {});
  auto model = base::Ref<Model>::Adopt(
      new Model(std::move(plan), backend, std::move(backend_model), instance, options));
  if (!samples.empty()) {
    model->warmup_ =
        std::make_unique<const Warmup>(model->plan_, std::move(samples), backend, options.budget,
                                       options.validate, options.taker != nullptr);
  }
  RETURN_IF_ERROR(model->AddInstances(model->plan_, 0, model->leases_));
  if (options.allow_inline) RETURN_IF_ERROR(model->MeasureInline());
  RETURN_IF_ERROR(model->StartThreads(model->leases_));
  return model;
}

Model::Model(core::ModelPlan plan, backend::Backend& backend,
             std::shared_ptr<backend::BackendModel> backend_model, int first_instance,
             const ModelOptions& options)
    : Servable(std::move(plan)),
      backend_(backend),
      backend_model_(std::move(backend_model)),
      options_(options),
      first_instance_(first_instance),
      batch_rows_(plan_.batching ? std::max<int64_t>(plan_.max_batch_size, 1) : 1),
      has_free_shapes_(HasFreeShapes(plan_)),
      has_histograms_(options.metrics.extended),
      is_measured_(options.metrics.extended || options.metrics.summary_latencies),
      responses_(CountingSink::MakeCounters(plan_, options.metrics)),
      lease_limit_(LeaseLimit(static_cast<size_t>(plan_.instance_count))),
      is_asked_for_bytes_(options.counts_bytes),
      counts_bytes_(CountsBytes(plan_.queue)),
      timeout_(plan_.queue),
      queue_(plan_.queue),
      summaries_(options.metrics.summary_latencies
                     ? std::make_unique<metrics::StageSummaries>(options.metrics.summary_quantiles)
                     : nullptr),
      load_control_(LoadControl::Make(plan_, batch_rows_, lease_limit_)),
      batch_plan_(load_control_ && load_control_->batch_plan() != nullptr
                      ? load_control_->batch_plan()
                      : &plan_),
      serving_(static_cast<size_t>(plan_.instance_count)),
      order_(KeepsOrder() && lease_limit_ > 1 ? MakeOrder(lease_limit_) : nullptr),
      parts_(plan_.max_request_rows > 0 ? std::make_unique<metrics::ModelStatistics>() : nullptr) {
  if (HasPadding(plan_)) statistics_.padding.emplace();
}

Model::~Model() { Stop(); }

base::Status Model::MeasureInline() {
  if (!plan_.instance_limits.empty() || !backend_.may_run_inline(plan_)) return {};
  ASSIGN_OR_RETURN(inline_costs_, InlineCosts::Measure(plan_, *leases_[0]->instance));
  inline_allowed_ = !inline_costs_.empty();
  return {};
}

bool Model::runs_inline() const {
  std::lock_guard lock(mutex_);
  return inline_allowed_;
}

QueuedInputs Model::Queued() const {
  std::lock_guard lock(mutex_);
  return {.requests = queue_.size(), .bytes = queue_.bytes()};
}

void Model::CountBytes() {
  std::lock_guard lock(mutex_);
  is_asked_for_bytes_ = counts_bytes_ = true;
}

void Model::Submit(RequestChain chain, InlineAllowance* allowance) {
  const Instant now = steady_clock::now();
  std::vector<Refusal> refusals;
  {
    std::unique_lock lock(mutex_);
    while (!chain.empty()) EnqueueLocked(chain.TakeFirst(), now, refusals);
    if (allowance != nullptr) RunInline(lock, *allowance, refusals);
    if (!queue_.empty()) WakeOneLocked();
  }
  SendRefusals(refusals);
}

void Model::EnqueueLocked(core::RequestPtr request, Instant now, std::vector<Refusal>& refusals) {
  ++statistics_.received;
  ++statistics_.pending;
  if (parts_ && request->is_part) {
    ++parts_->received;
    ++parts_->pending;
  }
  request->times.queued = now;
  if (load_control_) {
    base::Status status = AdmitLocked(*request, now, refusals);
    if (!status.ok()) return RejectLocked(std::move(request), std::move(status), now, refusals);
  }
  const uint64_t level = queue_.LevelOf(request->priority);
  bool is_full = queue_.IsFull(level) && !request->is_admitted;
  if (is_full) {
    DropDeadLocked(queue_.FirstOf(level), now, refusals);
    is_full = queue_.IsFull(level);
  }
  if ((refuses_ && !TakesLocked(*request)) || is_full) {
    return RejectLocked(std::move(request),
                        is_stopping_ ? SchedulerHasStopped()
                        : refuses_   ? LostLocked()
                                     : QueueIsFull(live_->queue),
                        now, refusals);
  }
  scheduler::QueuedRequest queued;
  queued.rows = request->batch_size;
  if (counts_bytes_) queued.bytes = core::InputBytes(*request);
  queued.enqueued = now;
  queued.expires = scheduler::ExpiresAt(queue_.PolicyOf(level), *request, now);
  queued.shape_key = has_free_shapes_ ? ShapeKey(*request) : 0;
  core::ResponseSink& sink = *request->sink;
  queued.request = std::move(request);
  sink.SetQueuePlace(queue_.Push(level, std::move(queued)));
  statistics_.queued = queue_.size();
}

bool Model::TakesLocked(const core::InferRequest& request) const {
  return request.is_admitted && !IsLostLocked();
}

base::Status Model::AdmitLocked(core::InferRequest& request, Instant now,
                                std::vector<Refusal>& refusals) {
  if (is_stopping_) return {};
  RETURN_IF_ERROR(load_control_->Classify(queue_, request, now));
  load_control_->CountArrival(request.batch_size, now);
  if (request.is_admitted) return {};
  base::Status status = load_control_->Admit(queue_, request, now);
  if (status.ok()) return status;
  DropDeadLocked(queue_.First(), now, refusals);
  return load_control_->Admit(queue_, request, now);
}

void Model::RejectLocked(core::RequestPtr request, base::Status status, Instant now,
                         std::vector<Refusal>& refusals) {
  CountEndLocked(*request, metrics::FailureReason::kRejected, now);
  refusals.push_back({std::move(request), std::move(status)});
}

uint64_t Model::ShapeKey(const core::InferRequest& request) const {
  uint64_t key = 0xcbf29ce484222325;  // FNV-1a over slots and dimensions
  const auto mix = [&key](uint64_t value) { key = (key ^ value) * 0x100000001b3; };
  for (uint32_t slot = 0; slot < plan_.inputs.size(); ++slot) {
    const core::InputTensor* input = FindInput(request, slot);
    mix(input == nullptr ? 0 : input->shape.rank() + 1);
    if (input == nullptr || plan_.inputs[slot].is_ragged) continue;
    const size_t first = plan_.max_batch_size > 0 ? 1 : 0;
    for (size_t axis = first; axis < input->shape.rank(); ++axis) {
      mix(static_cast<uint64_t>(BatchedDim(plan_.inputs[slot], axis - first, input->shape[axis])));
    }
  }
  return key;
}

std::optional<Nanoseconds> Model::QueueTimeout(const core::InferRequest& request) const {
  if (!timeout_.is_by_level()) return timeout_.Of(request.timeout_us);
  std::lock_guard lock(mutex_);
  return scheduler::RefusedAfter(queue_.PolicyOf(queue_.LevelOf(request.priority)),
                                 request.timeout_us);
}

void Model::DropDeadLocked(scheduler::Place place, Instant now, std::vector<Refusal>& refusals) {
  scheduler::ApplyPolicies(queue_, place, now, batch_rows_,
                           [&](scheduler::QueuedRequest dropped, scheduler::DropReason reason) {
                             const bool is_rejected = reason == scheduler::DropReason::kTimeout;
                             CountEndLocked(*dropped.request,
                                            is_rejected ? metrics::FailureReason::kRejected
                                                        : metrics::FailureReason::kCanceled,
                                            now);
                             refusals.push_back({std::move(dropped.request), StatusOf(reason)});
                           });
  statistics_.queued = queue_.size();
}

bool Model::RemoveQueued(const core::ResponseSink* sink, base::Status status,
                         metrics::FailureReason reason) {
  std::vector<Refusal> refusals;
  {
    std::lock_guard lock(mutex_);
    const scheduler::Place place = sink->queue_place();
    if (!queue_.IsAt(place, sink)) return false;
    core::RequestPtr request = queue_.Remove(place).request;
    statistics_.queued = queue_.size();
    CountEndLocked(*request, reason, steady_clock::now());
    refusals.push_back({std::move(request), std::move(status)});
    // What is left may be a size that an idle instance does not wait with.
    if (!queue_.empty()) WakeOneLocked();
  }
  SendRefusals(refusals);
  return true;
}

void Model::CountEndLocked(const core::InferRequest& request, metrics::FailureReason reason,
                           Instant now) {
  --statistics_.pending;
  ++statistics_.failures[static_cast<size_t>(reason)];
  statistics_.fail.Add(now - request.times.queued);
  if (parts_ && request.is_part) {
    --parts_->pending;
    ++parts_->failures[static_cast<size_t>(reason)];
    parts_->fail.Add(now - request.times.queued);
  }
  if (statistics_.pending == 0) idle_.notify_all();
}

bool Model::MayStartLocked() const {
  return held_ < lease_limit_ && (order_ == nullptr || !order_->IsFull());
}

Model::Lease* Model::FreeLeaseLocked() {
  if (!MayStartLocked()) return nullptr;
  for (const auto& lease : leases_) {
    if (!lease->is_held) return lease.get();
  }
  return nullptr;
}

void Model::WakeOneLocked() {
  Lease* lease = FreeLeaseLocked();
  if (lease == nullptr || lease->is_notified) return;
  lease->is_notified = true;
  lease->work.notify_one();
}

void Model::TakeBatchLocked(const scheduler::BatchDecision& decision, Lease& lease) {
  lease.is_held = true;
  ++held_;
  if (order_) lease.batch = order_->Start();
  const size_t count = CountSameShapesLocked(decision.send);
  for (size_t i = 0; i < count; ++i) {
    scheduler::QueuedRequest queued = queue_.PopFront();
    lease.execution->Add(std::move(queued.request));
  }
  statistics_.queued = queue_.size();
}

// Equal keys are only a hint: clients choose the dimensions, and two shapes may be chosen to hash
// alike.
size_t Model::CountSameShapesLocked(size_t count) const {
  if (!has_free_shapes_) return count;
  const core::InferRequest& first = *queue_[queue_.First()].request;
  scheduler::Place place = queue_.First();
  for (size_t i = 1; i < count; ++i) {
    place = queue_.After(place);
    if (!HaveSameShapes(plan_, first, *queue_[place].request)) return i;
  }
  return count;
}

bool Model::MayRunInlineLocked(int64_t rows, const InlineAllowance& allowance) const {
  if (!inline_allowed_ || is_stopping_) return false;
  const auto cost = inline_costs_.Of(rows);
  return cost && *cost <= allowance.left;
}

void Model::RunInline(std::unique_lock<std::mutex>& lock, InlineAllowance& allowance,
                      std::vector<Refusal>& refusals) {
  while (!queue_.empty()) {
    Lease* lease = FreeLeaseLocked();
    if (lease == nullptr) return;
    const Instant start = steady_clock::now();
    DropDeadLocked(queue_.First(), start, refusals);
    const scheduler::BatchDecision decision = scheduler::NextBatch(queue_, start, *batch_plan_);
    if (decision.send == 0 || !MayRunInlineLocked(decision.rows, allowance)) return;
    TakeBatchLocked(decision, *lease);
    lease->is_inline = true;
    ++lease->inside;
    // A system call each, so only while there is a suspicion.
    const bool is_watched = inline_watch_ > 0;
    lock.unlock();
    if (responses_) CountResponses(*lease->execution, start);
    const ThreadUsage before = is_watched ? UsageOfThisThread() : ThreadUsage();
    lease->execution->Run(*lease->instance, start);
    const Nanoseconds took = steady_clock::now() - start;
    const bool is_too_long = took > kInlineTooLong;
    const bool is_slow = is_too_long && is_watched && IsOwnDoing(before, UsageOfThisThread());
    allowance.left -= took;
    lock.lock();
    --lease->inside;
    if (lease->awaits_rebuild || is_awaited_) [[unlikely]] {
      lease->work.notify_one();
      idle_.notify_all();
    }
    if (is_watched) --inline_watch_;
    if (is_too_long) inline_watch_ = kWatchedRuns;
    if (is_slow) inline_allowed_ = false;
  }
}

void Model::InstanceLoop(Lease& lease) {
  std::vector<Refusal> refusals;
  std::unique_lock lock(mutex_);
  for (;;) {
    lease.is_notified = false;
    if (lease.is_held || lease.is_leaving || !MayStartLocked()) {
      if (lease.is_leaving) return;
      if (!lease.awaits_rebuild || lease.inside > 0) {
        lease.work.wait(lock);
      } else if (!Recover(lock, lease)) {
        return;
      }
      continue;
    }
    const Instant now = steady_clock::now();
    DropDeadLocked(queue_.First(), now, refusals);
    scheduler::BatchDecision decision = scheduler::NextBatch(queue_, now, *batch_plan_);
    if (decision.send == 0 && is_stopping_ && !queue_.empty()) {
      decision =
          scheduler::NextBatch(queue_, base::kNever, *batch_plan_);  // nothing more will come
    }
    if (lease.ticket && refusals.empty() && SettleResources(lock, lease, decision.send != 0)) {
      continue;
    }
    if (decision.send != 0 && (!lease.ticket || lease.has_resources)) {
      TakeBatchLocked(decision, lease);
      if (!queue_.empty()) WakeOneLocked();
      lock.unlock();
      SendRefusals(refusals);
      if (responses_) CountResponses(*lease.execution, now);
      lease.execution->Run(*lease.instance, now);
      lock.lock();
    } else if (!refusals.empty()) {
      lock.unlock();
      SendRefusals(refusals);
      lock.lock();
    } else if (is_stopping_ && statistics_.pending == 0 && held_ == 0) {
      return;  // what is held may bring something in with its answer
    } else if (decision.wait_until != base::kNever) {
      lease.work.wait_until(lock, decision.wait_until);
    } else {
      lease.work.wait(lock);
    }
  }
}

bool Model::SettleResources(std::unique_lock<std::mutex>& lock, Lease& lease, bool is_to_run) {
  if (lease.has_resources == is_to_run) return false;
  lease.is_held = true;  // nobody wakes it meanwhile; others may run what waits
  if (is_to_run) WakeOneLocked();
  lock.unlock();
  if (is_to_run) {
    lease.has_resources = lease.ticket->Take();
  } else {
    lease.ticket->Release();
    lease.has_resources = false;
  }
  lock.lock();
  lease.is_held = false;
  if (is_awaited_) TellAwaitingLocked();
  return true;
}

void Model::OnExecuted(Lease& lease, const base::Status& status) {
  const bool is_poisoned = lease.execution->is_poisoned();
  {
    // Counted before the answer can be seen: a client that has its answer sees itself counted.
    std::lock_guard lock(mutex_);
    CountExecutionLocked(*lease.execution, status);
    if (is_poisoned) [[unlikely]]
      PoisonLocked(lease);
  }
  if (is_poisoned) [[unlikely]]
    TellHealth();
  if (order_) {
    DeliverInOrder(lease);
  } else {
    lease.execution->Deliver();
  }
  if (lease.ticket) {
    lease.has_resources = false;
    lease.ticket->Release();
  }
  // The model may end as soon as the lease is free and nothing is pending: no member is touched
  // after the lock.
  std::lock_guard lock(mutex_);
  lease.is_held = lease.awaits_rebuild = is_poisoned;
  if (is_poisoned) [[unlikely]]
    lease.work.notify_one();
  --held_;
  // Whoever runs inline goes on with the queue itself, and wakes a thread for what it leaves.
  const bool runner_goes_on = std::exchange(lease.is_inline, false);
  if (is_awaited_) [[unlikely]]
    TellAwaitingLocked();
  if (!queue_.empty() && !runner_goes_on) WakeOneLocked();
}

// What waits for a batch is sent by the thread of that batch, which still holds its lease: nothing
// is left to send once no lease is held.
void Model::DeliverInOrder(Lease& lease) {
  BatchAnswers answers = lease.execution->TakeAnswers();
  std::unique_lock lock(mutex_);
  order_->Finish(lease.batch, std::move(answers));
  while (auto due = order_->TakeDue()) {
    lock.unlock();
    SendAnswers(std::move(*due));
    lock.lock();
    order_->Sent();
  }
}

void Model::CountExecutionLocked(const Execution& execution, const base::Status& status) {
  const ExecutionTimes& times = execution.times();
  const auto count = static_cast<uint64_t>(execution.owned().size());
  statistics_.pending -= count;
  if (parts_) CountPartsLocked(execution, status);
  if (!status.ok()) {
    statistics_.failures[static_cast<size_t>(metrics::FailureReason::kBackend)] += count;
    for (const auto& request : execution.owned()) {
      statistics_.fail.Add(times.output_end - request->times.queued);
    }
    return;
  }
  const Nanoseconds input = times.input_end - times.compute_start;
  const Nanoseconds infer = times.infer_end - times.input_end;
  const Nanoseconds output = times.output_end - times.infer_end;
  for (const auto& request : execution.owned()) {
    statistics_.success.Add(times.output_end - request->times.received);
    statistics_.queue.Add(times.compute_start - request->times.queued);
  }
  statistics_.compute_input.Add(input, count);
  statistics_.compute_infer.Add(infer, count);
  statistics_.compute_output.Add(output, count);
  metrics::BatchStatistics& batch = statistics_.batches[execution.rows()];
  batch.compute_input.Add(input);
  batch.compute_infer.Add(infer);
  batch.compute_output.Add(output);
  statistics_.inference_count += static_cast<uint64_t>(execution.rows());
  ++statistics_.execution_count;
  statistics_.last_inference_ms = base::WallClockMs();
  if (is_measured_) MeasureExecutionLocked(execution);
  if (load_control_) load_control_->Learn(execution.rows(), times);
  if (statistics_.padding) {
    statistics_.padding->input_bytes += execution.padding().input_bytes;
    statistics_.padding->added_bytes += execution.padding().added_bytes;
  }
}

// What CountExecutionLocked adds for requests that are parts of others.
void Model::CountPartsLocked(const Execution& execution, const base::Status& status) {
  const ExecutionTimes& times = execution.times();
  for (const auto& request : execution.owned()) {
    if (!request->is_part) continue;
    --parts_->pending;
    if (!status.ok()) {
      ++parts_->failures[static_cast<size_t>(metrics::FailureReason::kBackend)];
      parts_->fail.Add(times.output_end - request->times.queued);
      continue;
    }
    parts_->success.Add(times.output_end - request->times.received);
    parts_->queue.Add(times.compute_start - request->times.queued);
    parts_->compute_input.Add(times.input_end - times.compute_start);
    parts_->compute_infer.Add(times.infer_end - times.input_end);
    parts_->compute_output.Add(times.output_end - times.infer_end);
  }
}

void Model::MeasureExecutionLocked(const Execution& execution) {
  using metrics::Stage;
  const ExecutionTimes& times = execution.times();
  uint32_t requests = 0;
  const auto add = [&](Stage stage, Nanoseconds time, uint32_t count) {
    MeasureLocked(stage, time, times.output_end, count);
  };
  for (const auto& request : execution.owned()) {
    if (request->is_part) continue;
    ++requests;
    add(Stage::kRequest, times.output_end - request->times.received, 1);
    add(Stage::kQueue, times.compute_start - request->times.queued, 1);
  }
  add(Stage::kComputeInput, times.input_end - times.compute_start, requests);
  add(Stage::kComputeInfer, times.infer_end - times.input_end, requests);
  add(Stage::kComputeOutput, times.output_end - times.infer_end, requests);
  const Nanoseconds per_row =
      (times.output_end - times.compute_start) / std::max<int64_t>(execution.rows(), 1);
  const bool is_first = statistics_.execution_count == 1;
  row_time_ = is_first ? per_row : row_time_ + (per_row - row_time_) / kRowTimeWeight;
}

void Model::MeasureLocked(metrics::Stage stage, Nanoseconds time, Instant now, uint32_t requests) {
  if (has_histograms_) statistics_.histograms[static_cast<size_t>(stage)].Add(time, requests);
  if (summaries_) summaries_->Add(stage, time, now, requests);
}

void Model::MeasureWhole(const std::array<Nanoseconds, metrics::kStages>& times, Instant now) {
  if (!is_measured_) return;
  std::lock_guard lock(mutex_);
  for (size_t stage = 0; stage < times.size(); ++stage) {
    MeasureLocked(static_cast<metrics::Stage>(stage), times[stage], now, 1);
  }
}

void Model::CountResponses(Execution& execution, Instant now) const {
  for (const auto& request : execution.owned()) CountingSink::Wrap(*request, responses_, now);
}

metrics::QueueState Model::QueueStateLocked(Instant now) const {
  const Nanoseconds wait_target = metrics::WaitTarget(*live_);
  if (queue_.empty()) return {.wait_target = wait_target};
  return {.rows = queue_.rows(),
          .bytes = queue_.bytes(),
          .oldest_wait = std::max(now - queue_.OldestEnqueued(), Nanoseconds(0)),
          .predicted_wait_seconds = std::chrono::duration<double>(row_time_).count() *
                                    static_cast<double>(queue_.rows()) /
                                    static_cast<double>(LeaseLimit(leases_.size())),
          .wait_target = wait_target};
}

std::optional<LoadView> Model::ViewLoad() const {
  LoadView view;
  view.max_rows = batch_rows_;
  view.reason = "'latency_target_ms' is not set: batches follow the configuration";
  std::lock_guard lock(mutex_);
  view.instances = LeaseLimit(leases_.size());
  if (live_->batching) {
    view.wanted_rows = live_->batching->preferred_batch_sizes;
    view.wait = live_->batching->max_queue_delay;
  }
  if (load_control_) load_control_->View(steady_clock::now(), view);
  return view;
}

metrics::ModelStatistics Model::Statistics() const { return Statistics(nullptr); }

metrics::ModelStatistics Model::Statistics(metrics::ModelStatistics* parts) const {
  metrics::ModelStatistics copy;
  {
    std::lock_guard lock(mutex_);
    const Instant now = steady_clock::now();
    copy = statistics_;
    for (const auto& lease : leases_) {
      copy.instances.push_back(lease->recovery.state());
      copy.tensor_bytes += lease->execution->pool().charged_bytes();
      copy.idle_bytes += lease->execution->pool().cached_bytes();
    }
    if (parts != nullptr && parts_) *parts = *parts_;
    copy.queue_state = QueueStateLocked(now);
    if (summaries_) copy.summaries = summaries_->Estimate(now);
  }
  if (responses_) {
    copy.responses = responses_->Statistics();
    copy.first_response_ms = responses_->FirstResponse();
  }
  return copy;
}

void Model::Trim() {
  std::unique_lock lock(mutex_);
  for (size_t i = 0; i < leases_.size(); ++i) {
    Lease& lease = *leases_[i];
    if (lease.is_held || held_ >= lease_limit_ || is_stopping_) continue;
    lease.is_held = true;
    ++held_;
    lock.unlock();
    lease.execution->pool().Trim();
    lock.lock();
    lease.is_held = false;
    --held_;
    if (is_awaited_) TellAwaitingLocked();
    // What came meanwhile may be for this instance alone, and its thread looks at it once more.
    lease.work.notify_one();
  }
}

void Model::Stop() {
  {
    std::unique_lock lock(mutex_);
    is_stopping_ = refuses_ = is_awaited_ = true;
    WakeAllLocked();
    lock.unlock();
    backend_model_->Unblock();
    lock.lock();
    idle_.wait(lock, [this] { return statistics_.pending == 0 && held_ == 0; });
    WakeAllLocked();
  }
  std::lock_guard turn(change_mutex_);
  for (const auto& lease : leases_) {
    if (lease->ticket) lease->ticket->Cancel();
  }
  for (const auto& lease : leases_) lease->thread.Join();
}

}  // namespace serving::model
