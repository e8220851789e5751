// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/memory_budget.h"
#include "base/ref.h"
#include "base/status.h"
#include "base/thread.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "metrics/metrics_options.h"
#include "metrics/model_statistics.h"
#include "model/execution.h"
#include "model/inline_costs.h"
#include "model/load_control.h"
#include "model/rate_limiter.h"
#include "model/recovery.h"
#include "model/refusal.h"
#include "model/servable.h"
#include "model/shared_timeout.h"
#include "model/warmup.h"
#include "scheduler/answer_order.h"
#include "scheduler/batch_policy.h"
#include "scheduler/priority_queue.h"

namespace serving::model {

struct ModelOptions {
  std::shared_ptr<base::MemoryBudget> budget;
  bool allow_inline = true;
  metrics::MetricsOptions metrics{};
  RequestTaker* taker = nullptr;                        // of requests that run again
  std::shared_ptr<RateLimiter> rate_limiter = nullptr;  // of plans with instance_limits
  bool counts_bytes = false;                            // of what waits, for Queued()
  ValidateRequest validate = nullptr;  // of warm-up requests; null for plans that have none
  RecoveryOptions recovery{};
  // Called without a lock, on any thread, when CanServe may have changed.
  std::function<void()> health_changed{};
};

struct QueuedInputs {
  size_t requests = 0;
  uint64_t bytes = 0;
};

// One loaded version: its queue, its instances, its counters.
//
// An instance is a lease, held by one thread at a time. The default holder is the instance's own
// thread; an I/O thread that submits may take a free lease and run a short batch itself, which
// saves two thread hops.
//
// Threads: Submit, RemoveQueued, Snapshot from any. One short lock guards queue, leases and
// counters; it is never held across a backend call, a callback or an allocation of unknown size.
class Model final : public Servable {
 public:
  // Builds the instances, warms them up and measures how long short batches take. Nothing is left
  // behind on an error.
  static base::Result<base::Ref<Model>> Load(core::ModelPlan plan, backend::Backend& backend,
                                             const ModelOptions& options);
  // One instance of a backend's model that several share, which is its number `instance`. The plan
  // asks for one.
  static base::Result<base::Ref<Model>> LoadInstance(
      core::ModelPlan plan, backend::Backend& backend,
      std::shared_ptr<backend::BackendModel> backend_model, int instance,
      const ModelOptions& options);

  void Submit(RequestChain chain, InlineAllowance* allowance) override;
  bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                    metrics::FailureReason reason) override;
  std::optional<base::Nanoseconds> QueueTimeout(const core::InferRequest& request) const override;
  void Stop() override;
  void Trim() override;
  void Unblock() override { backend_model_->Unblock(); }
  // While it lives, other changes and the end of Stop wait.
  base::Result<std::unique_ptr<Change>> PrepareChange(core::ModelPlan next) override;

  metrics::ModelStatistics Statistics() const override;
  // The same, and at the same moment how much of its counters is of requests that are parts.
  metrics::ModelStatistics Statistics(metrics::ModelStatistics* parts) const;
  // Adds a request whose parts this model has run to its histograms and summaries, which leave
  // parts out. By Stage.
  void MeasureWhole(const std::array<base::Nanoseconds, metrics::kStages>& times,
                    base::Instant now);
  double load_seconds() const override { return load_seconds_; }
  bool CanServe() const override { return CountServing() > 0; }
  // Instances that serve now.
  size_t CountServing() const { return serving_.load(std::memory_order_acquire); }
  std::optional<size_t> RuntimeBytes() const override { return backend_model_->RuntimeBytes(); }
  base::Result<std::string> Control(std::string_view json) override {
    return backend_model_->Control(json);
  }
  backend::BackendModel& backend_model() { return *backend_model_; }
  bool runs_inline() const;
  // No instance serves and none will; why, as requests are told. Ok otherwise.
  base::Status CheckNotLost() const;
  // Requests that wait, and the bytes of their inputs; of a model that counts them.
  QueuedInputs Queued() const;
  // From now on it counts them, whatever its plan says.
  void CountBytes();
  std::optional<LoadView> ViewLoad() const override;

 private:
  class InstanceChange;

  struct Lease final : ExecutionListener {
    Model& model;
    const size_t index;
    std::unique_ptr<backend::Instance> instance;
    std::unique_ptr<Execution> execution;
    base::Thread thread;
    std::condition_variable work;  // its thread: something to run, the lease came free, stop
    bool is_held = false;          // guarded by mutex_
    std::unique_ptr<RateLimiter::Ticket> ticket;  // null: it needs no resources
    bool has_resources = false;                   // while it is not held: of its thread
    uint64_t batch = 0;                           // its number, where the order of answers is kept
    bool is_inline = false;                       // held by a submitting thread; guarded by mutex_
    bool is_notified =
        false;  // its thread has been woken and has not looked yet; guarded by mutex_
    // Submitting threads that have not returned from the instance yet; guarded by mutex_.
    int inside = 0;
    bool awaits_rebuild = false;  // poisoned and answered: stays held; guarded by mutex_
    bool is_leaving = false;      // not of leases_ any more: its thread ends; guarded by mutex_
    Recovery recovery;            // guarded by mutex_

    Lease(Model& model, size_t index)
        : model(model), index(index), recovery(model.options_.recovery) {}
    void OnExecuted(int, const base::Status& status, bool) override {
      model.OnExecuted(*this, status);
    }
  };
  using Leases = std::vector<std::unique_ptr<Lease>>;
  using Order = scheduler::AnswerOrder<BatchAnswers>;

  Model(core::ModelPlan plan, backend::Backend& backend,
        std::shared_ptr<backend::BackendModel> backend_model, int first_instance,
        const ModelOptions& options);
  ~Model() override;

  base::Status MeasureInline();

  // model_instances.cc
  bool KeepsOrder() const { return plan_.batching && plan_.batching->preserve_ordering; }
  // How many of so many may run at once.
  size_t LeaseLimit(size_t instances) const;
  static std::unique_ptr<Order> MakeOrder(size_t instances);
  // Instances from number `first` to what `plan` wants, warmed up, their threads not started.
  base::Status AddInstances(const core::ModelPlan& plan, size_t first, Leases& leases);
  base::Status StartThreads(const Leases& leases);
  void Adopt(std::unique_ptr<const core::ModelPlan> next, Leases added);
  bool CountsBytes(const core::QueuePlan& queue) const {
    return is_measured_ || is_asked_for_bytes_ || queue.max_queue_bytes != 0;
  }
  // Ends instances that are of leases_ no longer: each when nobody is at it.
  void Retire(Leases leases);
  // The same for those that a change has made and that were never of leases_.
  void Dismiss(Leases added);
  void AdoptLimitsLocked(std::unique_ptr<const core::ModelPlan> next);
  // From one instance to many: their answers are to keep the order of arrival. Lets go of the lock.
  void WidenOrder(std::unique_lock<std::mutex>& lock, size_t instances);
  void WakeAllLocked();
  // Somebody waits for leases to come free.
  void TellAwaitingLocked();

  void InstanceLoop(Lease& lease);
  // Takes the resources of an instance that is to run, or gives back what it holds in vain. True
  // when it let go of the lock for that, so that the queue is to be looked at again.
  bool SettleResources(std::unique_lock<std::mutex>& lock, Lease& lease, bool is_to_run);

  // Functions ending in Locked need mutex_.
  void EnqueueLocked(core::RequestPtr request, base::Instant now, std::vector<Refusal>& refusals);
  // A model that stops takes it all the same: what is inside brings it in, and Stop waits for both.
  bool TakesLocked(const core::InferRequest& request) const;
  // Asks the limits beyond Triton's, of a model that has any.
  base::Status AdmitLocked(core::InferRequest& request, base::Instant now,
                           std::vector<Refusal>& refusals);
  void RejectLocked(core::RequestPtr request, base::Status status, base::Instant now,
                    std::vector<Refusal>& refusals);
  // Applies the policies of the queues from `place` on, as far as a batch reaches.
  void DropDeadLocked(scheduler::Place place, base::Instant now, std::vector<Refusal>& refusals);
  size_t CountSameShapesLocked(size_t count) const;
  void TakeBatchLocked(const scheduler::BatchDecision& decision, Lease& lease);
  // Another batch may start, if a lease is free.
  bool MayStartLocked() const;
  Lease* FreeLeaseLocked();
  void WakeOneLocked();
  bool MayRunInlineLocked(int64_t rows, const InlineAllowance& allowance) const;
  void CountEndLocked(const core::InferRequest& request, metrics::FailureReason reason,
                      base::Instant now);
  void RunInline(std::unique_lock<std::mutex>& lock, InlineAllowance& allowance,
                 std::vector<Refusal>& refusals);
  uint64_t ShapeKey(const core::InferRequest& request) const;

  void OnExecuted(Lease& lease, const base::Status& status);
  void DeliverInOrder(Lease& lease);
  void CountExecutionLocked(const Execution& execution, const base::Status& status);
  void CountPartsLocked(const Execution& execution, const base::Status& status);
  // Histograms, summaries and the time per row, of a model that has any of them.
  void MeasureExecutionLocked(const Execution& execution);
  void MeasureLocked(metrics::Stage stage, base::Nanoseconds time, base::Instant now,
                     uint32_t requests);
  // Each request of a decoupled model counts its responses from here on.
  void CountResponses(Execution& execution, base::Instant now) const;
  metrics::QueueState QueueStateLocked(base::Instant now) const;

  // model_recovery.cc
  void PoisonLocked(Lease& lease);
  // Rebuilds a poisoned instance or waits for the moment to; by its own thread. False: the model
  // stops.
  bool Recover(std::unique_lock<std::mutex>& lock, Lease& lease);
  // Another in its place, warmed up. Without the lock.
  base::Result<std::unique_ptr<backend::Instance>> Rebuild(
      const Lease& lease, std::unique_ptr<backend::Instance> poisoned) const;
  void UpdateHealthLocked();
  // No instance serves and none will.
  bool IsLostLocked() const;
  base::Status LostLocked() const;
  void RefuseQueueLocked(std::vector<Refusal>& refusals);
  void TellHealth() const;
  std::string Name(const Lease& lease) const;  // of an instance, for the log

  backend::Backend& backend_;
  const std::shared_ptr<backend::BackendModel> backend_model_;
  const ModelOptions options_;
  const int first_instance_;    // of the backend's model
  const int64_t batch_rows_;    // no batch takes requests beyond this many rows
  const bool has_free_shapes_;  // two requests may differ in shape
  const bool has_histograms_;
  const bool is_measured_;                                // has histograms or summaries
  const base::Ref<metrics::ResponseCounters> responses_;  // null unless the model is decoupled
  std::unique_ptr<const Warmup> warmup_;  // null: has no samples; set before threads start
  double load_seconds_ = 0;
  std::mutex change_mutex_;  // held by a change, and while Stop joins; never inside mutex_

  mutable std::mutex mutex_;
  std::condition_variable idle_;  // nothing pending; with is_awaited_: a lease came free
  // The plan that its numbers of instances and limits are taken from, and its place once they have
  // changed; guarded by mutex_ then.
  const core::ModelPlan* live_ = &plan_;
  std::unique_ptr<const core::ModelPlan> changed_;
  size_t lease_limit_;       // leases that may be held at once
  bool is_asked_for_bytes_;  // guarded by mutex_
  bool counts_bytes_;        // of what waits; guarded by mutex_
  SharedTimeout timeout_;
  scheduler::PriorityQueue queue_;                            // guarded by mutex_
  metrics::ModelStatistics statistics_;                       // guarded by mutex_
  const std::unique_ptr<metrics::StageSummaries> summaries_;  // null when off; guarded by mutex_
  base::Nanoseconds row_time_{0};                             // moving average; guarded by mutex_
  std::unique_ptr<LoadControl> load_control_;                 // mostly null; guarded by mutex_
  const core::ModelPlan* batch_plan_;  // what batches are formed by; guarded by mutex_
  size_t held_ = 0;                    // leases held; guarded by mutex_
  bool is_stopping_ = false;           // guarded by mutex_
  bool is_awaited_ = false;            // stops, or a change waits for leases; guarded by mutex_
  bool refuses_ = false;               // stops or is lost; guarded by mutex_
  std::atomic<size_t> serving_;        // instances that serve
  std::unique_ptr<Order>
      order_;  // null unless answers leave in the order of arrival; guarded by mutex_
  // Counters of parts only; null where requests are not split. Guarded by mutex_.
  const std::unique_ptr<metrics::ModelStatistics> parts_;
  int inline_watch_ = 0;         // inline runs to measure; guarded by mutex_
  bool inline_allowed_ = false;  // guarded by mutex_
  InlineCosts inline_costs_;     // set before threads start
  Leases leases_;                // changed under change_mutex_ and mutex_
};

}  // namespace serving::model
