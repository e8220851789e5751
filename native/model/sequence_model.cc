// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_model.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "model/counting_sink.h"
#include "model/sequence_refusal.h"
#include "model/shapes.h"
#include "scheduler/admission.h"

namespace serving::model {
namespace {

using base::Instant;
using metrics::FailureReason;
using scheduler::kNoSequence;
using scheduler::SequenceIndex;
using std::chrono::steady_clock;

scheduler::SequenceRules RulesOf(const core::ModelPlan& plan) {
  return {.instances = static_cast<uint32_t>(plan.instance_count),
          .slots = std::max<uint32_t>(plan.sequence->slots, 1),
          .max_idle = plan.sequence->max_idle,
          .is_iterative = plan.sequence->is_iterative};
}

}  // namespace

base::Result<base::Ref<SequenceModel>> SequenceModel::Load(core::ModelPlan plan,
                                                           backend::Backend& backend,
                                                           const ModelOptions& options) {
  const Instant start = steady_clock::now();
  core::ModelPlan inner = SequenceTensors::InnerPlan(plan);
  plan.warmup.clear();
  ASSIGN_OR_RETURN(std::shared_ptr<backend::BackendModel> shared, backend.Load(inner));
  ASSIGN_OR_RETURN(SequenceTensors tensors, SequenceTensors::Make(plan, options.budget));
  inner.instance_count = 1;
  inner.decoupled = false;  // the responses are counted before the instances
  auto model = base::Ref<SequenceModel>::Adopt(new SequenceModel(
      std::move(plan), std::move(tensors), backend, std::move(shared), std::move(inner), options));
  for (int i = 0; i < model->plan_.instance_count; ++i) {
    ASSIGN_OR_RETURN(auto instance, model->LoadInstance(static_cast<uint32_t>(i), model->plan_));
    std::lock_guard lock(model->mutex_);
    model->instances_.emplace_back().model = std::move(instance);
    model->ListModelsLocked();
  }
  try {
    model->watch_ = base::Thread("seq-" + model->plan_.name, [raw = model.get()] { raw->Watch(); });
  } catch (const std::system_error& error) {
    return base::Unavailable("no thread left for the sequences of model '" + model->plan_.name +
                             "': " + error.what());
  }
  model->load_seconds_ = std::chrono::duration<double>(steady_clock::now() - start).count();
  return model;
}

SequenceModel::SequenceModel(core::ModelPlan plan, SequenceTensors tensors,
                             backend::Backend& backend,
                             std::shared_ptr<backend::BackendModel> backend_model,
                             core::ModelPlan inner, const ModelOptions& options)
    : Servable(std::move(plan)),
      backend_(backend),
      backend_model_(std::move(backend_model)),
      warmup_(std::exchange(inner.warmup, {})),
      inner_(std::move(inner)),
      options_(options),
      budget_(options.budget),
      tensors_(std::move(tensors)),
      has_free_shapes_(HasFreeShapes(plan_)),
      responses_(CountingSink::MakeCounters(plan_, options.metrics)),
      limits_bytes_(plan_.queue.max_queue_bytes != 0),
      models_(std::make_shared<const Models>()),
      sequences_(RulesOf(plan_)),
      counters_(options.metrics) {
  sequences_.SetCountsBytes(CountsBytes(plan_));
  sequences_.when_over = [this](SequenceIndex sequence) {
    if (sequence < memories_.size()) memories_[sequence] = {};
  };
}

SequenceModel::~SequenceModel() { Stop(); }

void SequenceModel::Submit(RequestChain chain, InlineAllowance* allowance) {
  const Instant now = steady_clock::now();
  const QueuedInputs handed =
      limits_bytes_.load(std::memory_order_relaxed) ? QueuedAtInstances() : QueuedInputs();
  Launch launch;
  {
    std::lock_guard lock(mutex_);
    while (!chain.empty()) AcceptLocked(chain.TakeFirst(), handed, now, launch);
    CollectLocked(now, launch);
    SettleLocked();
  }
  Start(launch, allowance);
}

QueuedInputs SequenceModel::QueuedAtInstances() const {
  QueuedInputs sum;
  const std::shared_ptr<const Models> models = ListModels();
  for (const base::Ref<Model>& model : *models) {
    if (!model) continue;
    const QueuedInputs queued = model->Queued();
    sum.requests += queued.requests;
    sum.bytes += queued.bytes;
  }
  return sum;
}

void SequenceModel::AcceptLocked(core::RequestPtr request, const QueuedInputs& handed, Instant now,
                                 Launch& launch) {
  request->times.queued = now;
  base::Status status = AdmitLocked(request, handed, now, launch);
  if (!status.ok()) launch.refusals.push_back({std::move(request), std::move(status)});
}

base::Status SequenceModel::CheckRoomLocked(const core::InferRequest& request,
                                            const QueuedInputs& handed) const {
  if (is_stopping_) return SchedulerHasStopped();
  RETURN_IF_ERROR(lost_);
  const core::QueuePlan& queue = live_->queue;
  const auto limit = static_cast<size_t>(queue.max_queue_size);
  if (limit != 0 && sequences_.waiting() >= limit) return QueueIsFull(queue);
  if (queue.max_queue_bytes == 0) return {};
  return scheduler::AdmitBytes(*live_, sequences_.waiting() + handed.requests == 0,
                               sequences_.waiting_bytes() + handed.bytes,
                               core::InputBytes(request));
}

base::Status SequenceModel::AdmitLocked(core::RequestPtr& request, const QueuedInputs& handed,
                                        Instant now, Launch& launch) {
  using Refusal = scheduler::Sequences::Refusal;
  if (request->batch_size > 1) return NeedsOneRow(plan_);
  if (request->sequence_start) RETURN_IF_ERROR(tensors_.CheckId(request->correlation_id));
  if (const base::Status room = CheckRoomLocked(*request, handed); !room.ok()) {
    counters_.CountArrival();
    counters_.CountRefusal(now, FailureReason::kRejected, now);
    return WithId(*request, room);
  }
  if (plan_.sequence->is_iterative &&
      std::holds_alternative<std::monostate>(request->correlation_id)) {
    request->sequence_start = true;
  }
  core::InferRequest& added_request = *request;
  const scheduler::Sequences::Added added = sequences_.Add(request, now);
  if (added.refusal == Refusal::kNoCorrelationId) return NeedsId(plan_);
  if (added.refusal == Refusal::kMustStart) return NeedsStart(plan_, *request);
  counters_.CountArrival();
  added_request.sink->SetQueuePlace(added.sequence);
  if (!added.is_new) return {};
  if (plan_.sequence->is_iterative &&
      std::holds_alternative<std::monostate>(added_request.correlation_id)) {
    added_request.correlation_id = next_id_++;
  }
  const base::Status begun =
      tensors_.Begin(added_request.correlation_id, MemoryLocked(added.sequence));
  if (!begun.ok()) {
    RefuseLocked(sequences_.End(added.sequence), added_request.sink.get(), begun,
                 FailureReason::kRejected, now, launch);
  }
  return {};
}

SequenceMemory& SequenceModel::MemoryLocked(SequenceIndex sequence) {
  if (memories_.size() <= sequence) {
    memories_.resize(sequence + 1);
    running_.resize(sequence + 1, nullptr);
  }
  return memories_[sequence];
}

void SequenceModel::RefuseLocked(RequestChain chain, const core::ResponseSink* cause,
                                 const base::Status& status, FailureReason reason, Instant now,
                                 Launch& launch) {
  while (!chain.empty()) {
    core::RequestPtr request = chain.TakeFirst();
    const bool is_cause = cause == nullptr || request->sink.get() == cause;
    counters_.CountRefusal(request->times.queued, is_cause ? reason : FailureReason::kCanceled,
                           now);
    base::Status why = cause == nullptr ? status
                       : is_cause       ? WithId(*request, status)
                                        : SequenceHasEnded(plan_, *request);
    launch.refusals.push_back({std::move(request), std::move(why)});
  }
}

bool SequenceModel::EndIfDeadLocked(SequenceIndex sequence, Instant now, Launch& launch) {
  const core::InferRequest* request = sequences_.Next(sequence);
  const bool is_cancelled = request->sink->is_cancelled();
  if (!is_cancelled && request->deadline > now) return false;
  const core::ResponseSink* cause = request->sink.get();
  RefuseLocked(sequences_.End(sequence), cause,
               is_cancelled ? base::Cancelled("Request is cancelled")
                            : base::DeadlineExceeded("Deadline Exceeded"),
               FailureReason::kCanceled, now, launch);
  return true;
}

void SequenceModel::CollectLocked(Instant now, Launch& launch) {
  if (is_direct()) {
    for (uint32_t i = 0; i < instances_.size(); ++i) CollectDirectLocked(i, now, launch);
    return;
  }
  for (;;) {
    const SequenceIndex sequence = sequences_.FirstReady();
    if (sequence == kNoSequence) return;
    if (!EndIfDeadLocked(sequence, now, launch)) TakeLocked(sequence, launch);
  }
}

template <typename Sink>
Sink* SequenceModel::TakeSinkLocked(std::vector<std::unique_ptr<Sink>>& made, RowSink*& free) {
  if (free == nullptr) {
    for (RowSink* sink = returned_.TakeAll(); sink != nullptr;) {
      RowSink*& list = sink->is_empty ? free_rows_ : free_steps_;
      RowSink* following = std::exchange(sink->next, list);
      list = std::exchange(sink, following);
    }
  }
  if (free == nullptr) {
    made.push_back(std::make_unique<Sink>(*this));
    return made.back().get();
  }
  return static_cast<Sink*>(std::exchange(free, free->next));
}

core::RequestPtr SequenceModel::TakeEmptyRowLocked(uint32_t instance) {
  return TakeSinkLocked(rows_, free_rows_)->Open(instance);
}

void SequenceModel::TakeLocked(SequenceIndex sequence, Launch& launch) {
  if (!launch.models) launch.models = models_;
  core::RequestPtr request = sequences_.Take(sequence);
  SequenceMemory& memory = memories_[sequence];
  if (request->sequence_start) tensors_.ResetStates(memory);
  SequenceStep* step = TakeSinkLocked(steps_, free_steps_);
  step->Open(*request, sequences_.PlaceOf(sequence).instance, sequence, memory);
  running_[sequence] = step;
  launch.ready.Append(std::move(request));
}

void SequenceModel::Start(Launch& launch, InlineAllowance* allowance) {
  while (!launch.ready.empty()) {
    RequestChain chain;
    const uint32_t instance = static_cast<RowSink&>(*launch.ready.first->sink).instance;
    while (!launch.ready.empty()) {
      RowSink& sink = static_cast<RowSink&>(*launch.ready.first->sink);
      if (sink.instance != instance) break;
      core::RequestPtr request = launch.ready.TakeFirst();
      if (!sink.is_empty) {
        SequenceStep& step = static_cast<SequenceStep&>(sink);
        tensors_.Add(*request, *step.memory, step.added);
      }
      chain.Append(std::move(request));
    }
    (*launch.models)[instance]->Submit(chain, allowance);
  }
  for (const Refusal& refusal : launch.refusals) {
    core::ResponseSink& sink = *refusal.request->sink;
    core::InferResponse* response = sink.NewResponse();
    response->status = refusal.status;
    response->times = refusal.request->times;
    response->is_final = true;
    core::SendNow(sink, response);
  }
  launch.refusals.clear();
}

void SequenceModel::Finish(const SequenceStep& step, const core::InferResponse& response,
                           bool is_lost, Launch& launch) {
  const Instant now = steady_clock::now();
  std::lock_guard lock(mutex_);
  if (is_lost) {
    const bool is_late = response.status.code() == base::StatusCode::kCancelled ||
                         response.status.code() == base::StatusCode::kDeadlineExceeded;
    counters_.CountRefusal(step.queued, is_late ? FailureReason::kCanceled : step.removed_for, now);
    RefuseLocked(sequences_.End(step.sequence), &step, {}, FailureReason::kCanceled, now, launch);
  } else {
    counters_.CountAnswer(response, FailureReason::kBackend);
  }
  running_[step.sequence] = nullptr;
  sequences_.Finish(step.sequence, now);
  if (is_direct()) {
    if (--instances_[step.instance].running_rows == 0) {
      CollectDirectLocked(step.instance, now, launch);
    }
  } else {
    CollectLocked(now, launch);
  }
  SettleLocked();
}

void SequenceModel::TakeBack(core::RequestPtr request, core::InferResponse& response) {
  const RowSink& sink = static_cast<RowSink&>(*request->sink);
  if (sink.is_empty) {
    Launch launch;
    FinishRow(sink.instance, launch);
    return Start(launch, nullptr);
  }
  // A reference of its own: the request gets its client back.
  const base::Ref<SequenceStep> step =
      base::Ref<SequenceStep>::Share(static_cast<SequenceStep*>(request->sink.get()));
  base::Status kept = TakeStates(*step, response);
  if (!kept.ok()) return core::SendError(*step, std::move(kept));
  SequenceTensors::Remove(*request, step->added);
  step->Close(*request);
  Launch launch;
  const Instant now = steady_clock::now();
  {
    std::lock_guard lock(mutex_);
    running_[step->sequence] = nullptr;
    sequences_.Return(step->sequence, std::move(request));
    if (is_direct()) {
      if (--instances_[step->instance].running_rows == 0) {
        CollectDirectLocked(step->instance, now, launch);
      }
    } else {
      CollectLocked(now, launch);
    }
    SettleLocked();
  }
  Start(launch, nullptr);
}

void SequenceModel::FinishRow(uint32_t instance, Launch& launch) {
  const Instant now = steady_clock::now();
  std::lock_guard lock(mutex_);
  if (--instances_[instance].running_rows == 0) CollectDirectLocked(instance, now, launch);
  SettleLocked();
}

Instant SequenceModel::NextLookLocked() const {
  Instant next = sequences_.NextExpiry();
  if (is_direct()) {
    for (const Instance& instance : instances_) next = std::min(next, instance.due);
  }
  return next;
}

// After every change.
void SequenceModel::SettleLocked() {
  const Instant next = NextLookLocked();
  if (next < watch_until_) {
    watch_until_ = next;  // told once
    look_.notify_one();
  }
  if (leaving_ != 0) TellDrainLocked();
  if (is_stopping_ && counters_.pending() == 0) idle_.notify_all();
}

void SequenceModel::Watch() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_) {
    const Instant now = steady_clock::now();
    Launch launch;
    RefuseLocked(sequences_.Expire(now), nullptr, SequenceTimedOut(), FailureReason::kRejected, now,
                 launch);
    CollectLocked(now, launch);
    if (!launch.ready.empty() || !launch.refusals.empty()) {
      lock.unlock();
      Start(launch, nullptr);
      lock.lock();
      SettleLocked();
      continue;
    }
    if (leaving_ != 0) TellDrainLocked();
    watch_until_ = NextLookLocked();
    if (watch_until_ == base::kNever) {
      look_.wait(lock);
    } else {
      look_.wait_until(lock, watch_until_);
    }
    watch_until_ = base::kNever;
  }
}

bool SequenceModel::RemoveQueued(const core::ResponseSink* sink, base::Status status,
                                 FailureReason reason) {
  const Instant now = steady_clock::now();
  const SequenceIndex sequence = sink->queue_place();
  Launch launch;
  base::Ref<SequenceStep> step;
  base::Ref<Model> model;
  {
    std::lock_guard lock(mutex_);
    const core::InferRequest* waiting = sequences_.FirstWaiting(sequence);
    while (waiting != nullptr && waiting->sink.get() != sink) waiting = waiting->next;
    if (waiting != nullptr) {
      RefuseLocked(sequences_.End(sequence), sink, status, reason, now, launch);
      CollectLocked(now, launch);
      SettleLocked();
    } else if (!is_direct() && sequence < running_.size() && running_[sequence] != nullptr &&
               running_[sequence]->client() == sink) {
      step = base::Ref<SequenceStep>::Share(running_[sequence]);
      step->removed_for = reason;
      model = instances_[step->instance].model;
    } else {
      return false;
    }
  }
  Start(launch, nullptr);
  return !step || model->RemoveQueued(step.get(), std::move(status), reason);
}

void SequenceModel::Unblock() {
  const std::shared_ptr<const Models> models = ListModels();
  if (!models->empty()) models->front()->Unblock();
}

void SequenceModel::Stop() {
  const Instant now = steady_clock::now();
  Launch launch;
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
    sequences_.Close();
    CollectLocked(now, launch);
  }
  Start(launch, nullptr);
  Unblock();
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return counters_.pending() == 0; });
    is_stopped_ = true;
    look_.notify_all();
    drained_.notify_all();
  }
  watch_.Join();
  std::lock_guard turn(change_mutex_);
  drain_.Join();
  const std::shared_ptr<const Models> models = ListModels();
  for (const base::Ref<Model>& model : *models) {
    if (model) model->Stop();
  }
}

}  // namespace serving::model
