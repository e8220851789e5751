// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/memory_budget.h"
#include "ensemble/binding.h"
#include "ensemble/graph.h"
#include "ensemble/run.h"
#include "metrics/model_statistics.h"
#include "model/queue_timers.h"
#include "model/servable.h"

namespace serving::ensemble {

// Holds a step's request against its model's plan and binds names to slots, as the engine does for
// requests of clients.
using ValidateStep = base::Status (*)(const core::ModelPlan&, core::InferRequest&);

struct EnsembleOptions {
  std::shared_ptr<base::MemoryBudget> budget;
  ValidateStep validate = nullptr;
  model::QueueTimers* timers = nullptr;  // started; outlives the requests
};

// One loaded version of an ensemble: walks each request through the graph of its steps. Tensors are
// handed on by reference; nothing is copied between steps.
//
// A request enters while what the requests inside are expected to hold between their steps stays
// under `max_inflight_bytes`; the others wait at the door as they came. The expectation is what
// recent requests held at most, per byte of their inputs.
//
// Threads: every function from any; one short lock for the door and the counters.
class Ensemble final : public model::Servable {
 public:
  Ensemble(core::ModelPlan plan, EnsembleOptions options);

  // Requests that come from now on go to these models. Null: there are none.
  void Bind(base::Ref<const Binding> binding);

  void Submit(model::RequestChain chain, model::InlineAllowance* allowance) override;
  // As a step of another ensemble, which has chosen the binding.
  void SubmitBound(model::RequestChain chain, const base::Ref<const Binding>& binding,
                   model::InlineAllowance* allowance);
  bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                    metrics::FailureReason reason) override;
  std::optional<base::Nanoseconds> QueueTimeout(const core::InferRequest&) const override {
    return std::nullopt;  // its steps' models have theirs
  }
  void Stop() override;
  metrics::ModelStatistics Statistics() const override;
  double load_seconds() const override { return 0; }
  bool CanServe() const override;
  void Trim() override {}  // its steps' models have the memory
  base::Result<std::string> Control(std::string_view json) override;

  // ---- for runs

  const Graph& graph() const { return graph_; }
  const std::shared_ptr<base::MemoryBudget>& budget() const { return options_.budget; }
  base::Status Validate(const core::ModelPlan& plan, core::InferRequest& request) const {
    return options_.validate(plan, request);
  }

  core::HandOver& hand_over() { return hand_over_; }
  model::QueueTimers& timers() const { return *options_.timers; }

  Frame* TakeFrame();
  void Recycle(Frame* frame);
  void Recycle(Run* run);

  // Before the final response is sent.
  void CountEnd(const core::InferRequest& request, const core::InferResponse& response,
                size_t handed_on, base::Instant now);
  // After it. Lets the next in.
  void Leave(Run& run);

  // A decoupled step with so many open frames of so many bytes is to wait.
  bool IsAhead(uint32_t frames, size_t bytes) const;

  // The number of requests of one step is limited.
  bool has_step_limit() const { return plan_.ensemble->max_inflight_requests > 0; }
  // Submits the request now or when there is room.
  void EnterStep(uint32_t step, const Member& member, core::RequestPtr request);
  void LeaveStep(uint32_t step);
  // Answers `status` if the step's request waits to enter.
  bool RemoveWaiting(const Step& step, const base::Status& status);

 private:
  struct Waiting {
    Member member;
    core::RequestPtr request;
  };
  struct StepState {
    int64_t inflight = 0;
    std::deque<Waiting> waiting;
  };

  ~Ensemble() override;

  struct RunList {
    Run* first = nullptr;
    Run* last = nullptr;
    size_t size = 0;

    void Append(Run& run);
    void Remove(Run& run);
    Run* Find(const core::ResponseSink* sink) const;
  };

  Run* TakeRun();

  // Functions ending in Locked need mutex_.
  base::Status AdmitLocked(const Binding* binding) const;
  size_t ExpectedBytesLocked(const Run& run) const;
  bool MayEnterLocked(const Run& run) const;
  void EnterLocked(Run& run);
  void LearnLocked(const Run& run);

  const EnsembleOptions options_;
  const Graph graph_;
  core::HandOver hand_over_;

  mutable std::mutex mutex_;
  std::condition_variable idle_;         // Stop: nobody inside
  base::Ref<const Binding> binding_;     // guarded by mutex_
  metrics::ModelStatistics statistics_;  // guarded by mutex_
  RunList inside_;                       // guarded by mutex_
  RunList door_;                         // guarded by mutex_
  size_t reserved_bytes_ = 0;            // of the runs inside; guarded by mutex_
  // Expected bytes per byte of inputs, from runs that have ended; guarded by mutex_.
  std::optional<double> growth_;
  bool is_stopping_ = false;      // guarded by mutex_
  std::vector<StepState> steps_;  // where they are limited; guarded by mutex_

  std::mutex pool_mutex_;
  std::vector<std::unique_ptr<Run>> runs_;      // free; guarded by pool_mutex_
  std::vector<std::unique_ptr<Frame>> frames_;  // free; guarded by pool_mutex_
};

}  // namespace serving::ensemble
