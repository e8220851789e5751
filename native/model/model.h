// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
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
#include "scheduler/batch_policy.h"
#include "scheduler/priority_queue.h"

namespace serving::model {

// What an I/O thread may still spend on running batches itself in this loop turn.
struct InlineAllowance {
  base::Nanoseconds left{0};
};

// Requests in order, linked through `next`; the chain owns them.
struct RequestChain {
  core::InferRequest* first = nullptr;
  core::InferRequest* last = nullptr;

  bool empty() const { return first == nullptr; }
  void Append(core::RequestPtr request) {
    core::InferRequest* raw = request.release();
    raw->next = nullptr;
    (first == nullptr ? first : last->next) = raw;
    last = raw;
  }
  core::RequestPtr TakeFirst() {
    core::InferRequest* raw = first;
    first = raw->next;
    if (first == nullptr) last = nullptr;
    raw->next = nullptr;
    return core::RequestPtr(raw);
  }
};

struct ModelOptions {
  std::shared_ptr<base::MemoryBudget> budget;
  bool allow_inline = true;
  metrics::MetricsOptions metrics{};
};

// One loaded version: its queue, its instances, its counters.
//
// An instance is a lease, held by one thread at a time. The default holder is the instance's own
// thread; an I/O thread that submits may take a free lease and run a short batch itself, which
// saves two thread hops.
//
// Threads: Submit, RemoveQueued, Snapshot from any. One short lock guards queue, leases and
// counters; it is never held across a backend call, a callback or an allocation of unknown size.
class Model final : public base::RefCounted, private ExecutionListener {
 public:
  // Builds the instances and measures how long short batches take. Nothing is left behind on an
  // error.
  static base::Result<base::Ref<Model>> Load(core::ModelPlan plan, backend::Backend& backend,
                                             const ModelOptions& options);

  const core::ModelPlan& plan() const { return plan_; }

  // Takes validated requests over. Every one is answered exactly once through its sink, refusals
  // included. `allowance` null: never run on the calling thread.
  void Submit(RequestChain chain, InlineAllowance* allowance);

  // Takes the request that answers to `sink` out of the queue and answers `status`. False when it
  // is not queued (any more): it is running or answered.
  bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                    metrics::FailureReason reason);

  // When a waiting request is to be refused for its age; nothing = never.
  std::optional<base::Nanoseconds> QueueTimeout(const core::InferRequest& request) const;

  // Refuses new requests, lets those inside end, joins the threads. Blocks; not on a thread of this
  // model.
  void Stop();

  metrics::ModelStatistics Statistics() const;
  double load_seconds() const { return load_seconds_; }
  backend::BackendModel& backend_model() { return *backend_model_; }
  bool runs_inline() const;

 private:
  struct Lease {
    std::unique_ptr<backend::Instance> instance;
    std::unique_ptr<Execution> execution;
    base::Thread thread;
    std::condition_variable work;  // its thread: something to run, the lease came free, stop
    bool is_held = false;          // guarded by mutex_
    bool is_inline = false;        // held by a submitting thread; guarded by mutex_
    bool is_notified =
        false;  // its thread has been woken and has not looked yet; guarded by mutex_
  };
  struct Refusal {
    core::RequestPtr request;
    base::Status status;
  };

  Model(core::ModelPlan plan, std::unique_ptr<backend::BackendModel> backend_model,
        const metrics::MetricsOptions& metrics);
  ~Model() override;

  base::Status MakeInstances(backend::Backend& backend, const ModelOptions& options);
  void MeasureInlineCosts();
  std::optional<base::Nanoseconds> MeasureBatch(int64_t rows);
  base::Status StartThreads();
  void InstanceLoop(size_t index);

  // Functions ending in Locked need mutex_.
  void EnqueueLocked(core::RequestPtr request, base::Instant now, std::vector<Refusal>& refusals);
  // Applies the policies of the queues from `place` on, as far as a batch reaches.
  void DropDeadLocked(scheduler::Place place, base::Instant now, std::vector<Refusal>& refusals);
  size_t CountSameShapesLocked(size_t count) const;
  void TakeBatchLocked(const scheduler::BatchDecision& decision, Lease& lease);
  Lease* FreeLeaseLocked();
  void WakeOneLocked();
  bool MayRunInlineLocked(int64_t rows, const InlineAllowance& allowance) const;
  void CountEndLocked(const core::InferRequest& request, metrics::FailureReason reason,
                      base::Instant now);
  void Refuse(std::vector<Refusal>& refusals);
  void RunInline(std::unique_lock<std::mutex>& lock, InlineAllowance& allowance,
                 std::vector<Refusal>& refusals);
  uint64_t ShapeKey(const core::InferRequest& request) const;

  void OnExecuted(int instance, const base::Status& status, bool answered) override;
  void CountExecutionLocked(const Execution& execution, const base::Status& status);
  // Histograms, summaries and the time per row, of a model that has any of them.
  void MeasureExecutionLocked(const Execution& execution);
  // Each request of a decoupled model counts its responses from here on.
  void CountResponses(Execution& execution, base::Instant now) const;
  metrics::QueueState QueueStateLocked(base::Instant now) const;

  const core::ModelPlan plan_;
  std::unique_ptr<backend::BackendModel> backend_model_;
  const size_t lease_limit_;    // leases that may be held at once
  const int64_t batch_rows_;    // no batch takes requests beyond this many rows
  const bool has_free_shapes_;  // two requests may differ in shape
  const bool has_histograms_;
  const bool is_measured_;                                // has histograms or summaries
  const base::Ref<metrics::ResponseCounters> responses_;  // null unless the model is decoupled
  double load_seconds_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable idle_;                              // Stop: nothing pending
  scheduler::PriorityQueue queue_;                            // guarded by mutex_
  metrics::ModelStatistics statistics_;                       // guarded by mutex_
  const std::unique_ptr<metrics::StageSummaries> summaries_;  // null when off; guarded by mutex_
  base::Nanoseconds row_time_{0};                             // moving average; guarded by mutex_
  size_t held_ = 0;                                           // leases held; guarded by mutex_
  bool is_stopping_ = false;                                  // guarded by mutex_
  int inline_watch_ = 0;         // inline runs to measure; guarded by mutex_
  bool inline_allowed_ = false;  // guarded by mutex_
  std::vector<std::pair<int64_t, base::Nanoseconds>>
      inline_costs_;  // ascending rows; set before threads start
  std::vector<std::unique_ptr<Lease>> leases_;
};

}  // namespace serving::model
