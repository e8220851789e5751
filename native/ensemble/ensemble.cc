// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "ensemble/ensemble.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ensemble/relay.h"
#include "model/refusal.h"

namespace serving::ensemble {
namespace {

using base::Instant;
using std::chrono::steady_clock;

// So many requests are let in together while nobody knows what one of them holds.
constexpr size_t kUnknownRuns = 8;
// A decoupled step goes on while its request holds less than this part of the limit.
constexpr size_t kRunShare = 4;
// Weight of the newest request in what the next are expected to hold.
constexpr double kGrowthWeight = 16;
constexpr size_t kMaxPooled = 1024;

}  // namespace

void Ensemble::RunList::Append(Run& run) {
  run.previous = last;
  run.next = nullptr;
  (last == nullptr ? first : last->next) = &run;
  last = &run;
  ++size;
}

void Ensemble::RunList::Remove(Run& run) {
  (run.previous == nullptr ? first : run.previous->next) = run.next;
  (run.next == nullptr ? last : run.next->previous) = run.previous;
  run.previous = run.next = nullptr;
  --size;
}

Run* Ensemble::RunList::Find(const core::ResponseSink* sink) const {
  for (Run* run = first; run != nullptr; run = run->next) {
    if (&run->sink() == sink) return run;
  }
  return nullptr;
}

Ensemble::Ensemble(core::ModelPlan plan, EnsembleOptions options)
    : Servable(std::move(plan)),
      options_(std::move(options)),
      graph_(*plan_.ensemble),
      steps_(plan_.ensemble->steps.size()) {
  statistics_.hand_over.emplace();
}

Ensemble::~Ensemble() = default;

void Ensemble::Bind(base::Ref<const Binding> binding) {
  // What is dropped may free models, which is not to happen under the lock.
  std::lock_guard lock(mutex_);
  std::swap(binding_, binding);
}

void Ensemble::Submit(model::RequestChain chain, model::InlineAllowance* allowance) {
  base::Ref<const Binding> binding;
  {
    std::lock_guard lock(mutex_);
    binding = binding_;
  }
  SubmitBound(std::move(chain), binding, allowance);
}

base::Status Ensemble::AdmitLocked(const Binding* binding) const {
  if (is_stopping_) return model::SchedulerHasStopped();
  if (binding == nullptr) {
    return base::Unavailable("the models of ensemble '" + plan_.name + "' are not ready");
  }
  return {};
}

void Ensemble::SubmitBound(model::RequestChain chain, const base::Ref<const Binding>& binding,
                           model::InlineAllowance* allowance) {
  const Instant now = steady_clock::now();
  Relay& relay = Relay::OfThisThread();
  std::vector<model::Refusal> refused;
  const auto limit = static_cast<size_t>(plan_.queue.max_queue_size);
  {
    std::lock_guard lock(mutex_);
    while (!chain.empty()) {
      core::RequestPtr request = chain.TakeFirst();
      ++statistics_.received;
      if (base::Status status = AdmitLocked(binding.get()); !status.ok()) {
        ++statistics_.failures[static_cast<size_t>(metrics::FailureReason::kRejected)];
        statistics_.fail.Add(base::Nanoseconds(0));
        refused.push_back({std::move(request), std::move(status)});
        continue;
      }
      const size_t input_bytes = core::InputBytes(*request);
      Run* const run = TakeRun();
      run->Open(std::move(request), binding, now);
      run->input_bytes = input_bytes;
      if (MayEnterLocked(*run)) {
        ++statistics_.pending;
        EnterLocked(*run);
      } else if (limit > 0 && door_.size >= limit) {
        ++statistics_.failures[static_cast<size_t>(metrics::FailureReason::kRejected)];
        statistics_.fail.Add(base::Nanoseconds(0));
        refused.push_back({run->TakeRequest(), model::QueueIsFull(plan_.queue)});
        run->Unref();
      } else {
        ++statistics_.pending;
        door_.Append(*run);
        statistics_.queued = door_.size;
      }
    }
  }
  model::SendRefusals(refused);
  if (!relay.is_draining()) relay.Drain(allowance);
}

size_t Ensemble::ExpectedBytesLocked(const Run& run) const {
  const size_t limit = plan_.ensemble->max_inflight_bytes;
  if (!growth_) return limit / kUnknownRuns;
  return static_cast<size_t>(*growth_ * static_cast<double>(std::max<size_t>(run.input_bytes, 1)));
}

bool Ensemble::MayEnterLocked(const Run& run) const {
  const size_t limit = plan_.ensemble->max_inflight_bytes;
  if (limit == 0 || inside_.size == 0) return true;
  // Who came first enters first.
  if (door_.size != 0 && door_.first != &run) return false;
  return reserved_bytes_ + ExpectedBytesLocked(run) <= limit;
}

void Ensemble::EnterLocked(Run& run) {
  inside_.Append(run);
  if (plan_.ensemble->max_inflight_bytes != 0) {
    run.reserved_bytes = ExpectedBytesLocked(run);
    reserved_bytes_ += run.reserved_bytes;
  }
  Relay::OfThisThread().Begin(base::Ref<Run>::Share(&run));
}

void Ensemble::LearnLocked(const Run& run) {
  reserved_bytes_ -= run.reserved_bytes;
  const double growth = static_cast<double>(run.peak_bytes()) /
                        static_cast<double>(std::max<size_t>(run.input_bytes, 1));
  growth_ = std::max(growth, growth_ ? *growth_ - (*growth_ - growth) / kGrowthWeight : 0.0);
}

void Ensemble::Leave(Run& run) {
  {
    std::lock_guard lock(mutex_);
    inside_.Remove(run);
    if (plan_.ensemble->max_inflight_bytes != 0) LearnLocked(run);
    while (door_.first != nullptr && MayEnterLocked(*door_.first)) {
      Run& next = *door_.first;
      door_.Remove(next);
      EnterLocked(next);
    }
    statistics_.queued = door_.size;
    if (inside_.size == 0) idle_.notify_all();
  }
  run.Unref();
}

bool Ensemble::RemoveQueued(const core::ResponseSink* sink, base::Status status,
                            metrics::FailureReason reason) {
  base::Ref<Run> run;
  bool is_at_door = false;
  {
    std::lock_guard lock(mutex_);
    Run* found = door_.Find(sink);
    is_at_door = found != nullptr;
    if (is_at_door) {
      door_.Remove(*found);
      statistics_.queued = door_.size;
    } else {
      found = inside_.Find(sink);
    }
    if (found == nullptr) return false;
    run = base::Ref<Run>::Share(found);
  }
  bool has_removed = is_at_door;
  if (is_at_door) {
    run->Refuse(status);
    run->Unref();
    std::lock_guard lock(mutex_);
    idle_.notify_all();
  } else {
    has_removed = run->RemoveQueued(status, reason);
  }
  Relay::OfThisThread().Wake();
  return has_removed;
}

void Ensemble::Stop() {
  std::unique_lock lock(mutex_);
  is_stopping_ = true;
  idle_.wait(lock, [this] { return inside_.size == 0 && door_.size == 0; });
}

bool Ensemble::CanServe() const {
  base::Ref<const Binding> binding;
  {
    std::lock_guard lock(mutex_);
    binding = binding_;
  }
  return binding && std::ranges::all_of(binding->steps(), [](const Binding::Step& step) {
           return step.member.model->CanServe();
         });
}

base::Result<std::string> Ensemble::Control(std::string_view) {
  return base::Unimplemented("an ensemble has no test controls");
}

// ---- counters

void Ensemble::CountEnd(const core::InferRequest& request, const core::InferResponse& response,
                        size_t handed_on, Instant now) {
  std::lock_guard lock(mutex_);
  --statistics_.pending;
  statistics_.hand_over->bytes += handed_on;
  if (!response.status.ok()) {
    const bool is_cancelled = response.status.code() == base::StatusCode::kCancelled;
    ++statistics_.failures[static_cast<size_t>(is_cancelled ? metrics::FailureReason::kCanceled
                                                            : metrics::FailureReason::kOther)];
    statistics_.fail.Add(now - request.times.queued);
    return;
  }
  const core::StageTimes& times = response.times;
  statistics_.success.Add(now - request.times.received);
  statistics_.queue.Add(times.compute_start - request.times.queued);
  metrics::BatchStatistics& batch = statistics_.batches[request.batch_size];
  const auto add = [](metrics::Duration& all, metrics::Duration& of_batch, base::Nanoseconds time) {
    all.Add(time);
    of_batch.Add(time);
  };
  add(statistics_.compute_input, batch.compute_input, times.input_end - times.compute_start);
  add(statistics_.compute_infer, batch.compute_infer, times.infer_end - times.input_end);
  add(statistics_.compute_output, batch.compute_output, times.output_end - times.infer_end);
  statistics_.inference_count += static_cast<uint64_t>(request.batch_size);
  ++statistics_.execution_count;
  statistics_.last_inference_ms = base::WallClockMs();
}

metrics::ModelStatistics Ensemble::Statistics() const {
  std::lock_guard lock(mutex_);
  metrics::ModelStatistics statistics = statistics_;
  statistics.hand_over->copied_bytes = hand_over_.copied_bytes();
  statistics.hand_over->copied_tensors = hand_over_.copied_tensors();
  return statistics;
}

// ---- steps with a limit

bool Ensemble::IsAhead(uint32_t frames, size_t bytes) const {
  const core::EnsemblePlan& plan = *plan_.ensemble;
  return (has_step_limit() && frames >= static_cast<uint64_t>(plan.max_inflight_requests)) ||
         (plan.max_inflight_bytes != 0 && bytes >= plan.max_inflight_bytes / kRunShare);
}

void Ensemble::EnterStep(uint32_t step, const Member& member, core::RequestPtr request) {
  std::lock_guard lock(mutex_);
  StepState& state = steps_[step];
  if (state.inflight >= plan_.ensemble->max_inflight_requests) {
    state.waiting.push_back({member, std::move(request)});
    return;
  }
  ++state.inflight;
  Relay::OfThisThread().Submit(member, std::move(request));
}

void Ensemble::LeaveStep(uint32_t step) {
  std::lock_guard lock(mutex_);
  StepState& state = steps_[step];
  if (state.waiting.empty()) {
    --state.inflight;
    return;
  }
  Relay::OfThisThread().Submit(state.waiting.front().member,
                               std::move(state.waiting.front().request));
  state.waiting.pop_front();
}

bool Ensemble::RemoveWaiting(const Step& step, const base::Status& status) {
  core::RequestPtr request;
  {
    std::lock_guard lock(mutex_);
    StepState& state = steps_[step.index()];
    const auto found = std::ranges::find_if(state.waiting, [&](const Waiting& waiting) {
      return waiting.request->sink.get() == &step;
    });
    if (found == state.waiting.end()) return false;
    request = std::move(found->request);
    state.waiting.erase(found);
    ++state.inflight;  // its answer leaves
  }
  model::SendRefusal({std::move(request), std::move(status)});
  return true;
}

// ---- pools

Run* Ensemble::TakeRun() {
  std::lock_guard lock(pool_mutex_);
  if (runs_.empty()) return new Run(*this);
  Run* const run = runs_.back().release();
  runs_.pop_back();
  return run;
}

Frame* Ensemble::TakeFrame() {
  {
    std::lock_guard lock(pool_mutex_);
    if (!frames_.empty()) {
      Frame* const frame = frames_.back().release();
      frames_.pop_back();
      return frame;
    }
  }
  return new Frame(graph_);
}

void Ensemble::Recycle(Run* run) {
  std::unique_ptr<Run> owned(run);
  std::lock_guard lock(pool_mutex_);
  if (runs_.size() < kMaxPooled) runs_.push_back(std::move(owned));
}

void Ensemble::Recycle(Frame* frame) {
  std::unique_ptr<Frame> owned(frame);
  std::lock_guard lock(pool_mutex_);
  if (frames_.size() < kMaxPooled) frames_.push_back(std::move(owned));
}

}  // namespace serving::ensemble
