// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/mpsc_queue.h"
#include "base/ref.h"
#include "base/status.h"
#include "base/thread.h"
#include "metrics/model_statistics.h"
#include "metrics/response_counters.h"
#include "model/model.h"
#include "model/refusal.h"
#include "model/sequence_counters.h"
#include "model/sequence_step.h"
#include "model/sequence_tensors.h"
#include "model/servable.h"
#include "scheduler/sequences.h"

namespace serving::model {

// One loaded version of a model whose requests belong to sequences. A sequence is served by one
// instance from its first request to its last, so each instance is a Model of its own, all of one
// backend's model; this stands before them.
//
//   oldest  of each sequence one request at a time goes to its instance, which batches what comes
//   direct  every instance gets one batch at a time, in which each sequence has its row
//
// Instances and limits change while it serves. An instance that leaves keeps its sequences until
// they end; nobody waits for that but a thread of the model's own, which destroys it then.
//
// Threads: as Servable; one more of its own ends idle sequences and sends delayed batches, another,
// since the first change, destroys what has left. One short lock guards the sequences, the counters
// and who is there; no other is taken under it.
class SequenceModel final : public Servable, private RequestTaker {
 public:
  static base::Result<base::Ref<SequenceModel>> Load(core::ModelPlan plan,
                                                     backend::Backend& backend,
                                                     const ModelOptions& options);

  void Submit(RequestChain chain, InlineAllowance* allowance) override;
  bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                    metrics::FailureReason reason) override;
  std::optional<base::Nanoseconds> QueueTimeout(const core::InferRequest&) const override {
    return std::nullopt;  // time runs out in the backlog only, which this model watches itself
  }
  void Stop() override;
  void Unblock() override;
  bool CanServe() const override;
  void Trim() override;
  // While it lives, other changes and the end of Stop wait. Applying it waits for no client.
  base::Result<std::unique_ptr<Change>> PrepareChange(core::ModelPlan next) override;
  metrics::ModelStatistics Statistics() const override;
  double load_seconds() const override { return load_seconds_; }
  // Its instances share one model of the backend.
  std::optional<size_t> RuntimeBytes() const override {
    return instances_[0].model->RuntimeBytes();
  }
  base::Result<std::string> Control(std::string_view json) override {
    return ListModels()->front()->Control(json);
  }

  // ---- for steps

  // The instances by number; null: gone.
  using Models = std::vector<base::Ref<Model>>;

  // What follows from a change, to be done without the lock.
  struct Launch {
    RequestChain ready;                    // each answers to a RowSink
    std::shared_ptr<const Models> models;  // whom `ready` is for; null while it is empty
    std::vector<Refusal> refusals;
  };
  const std::shared_ptr<base::MemoryBudget>& budget() const { return budget_; }
  const SequenceTensors& tensors() const { return tensors_; }
  const base::Ref<metrics::ResponseCounters>& responses() const { return responses_; }
  bool is_direct() const { return plan_.sequence->is_direct; }
  // The last answer to a request, before it is sent. `is_lost`: the request has not run.
  void Finish(const SequenceStep& step, const core::InferResponse& response, bool is_lost,
              Launch& launch);
  void FinishRow(uint32_t instance, Launch& launch);
  // Submits what is ready and answers what is refused.
  void Start(Launch& launch, InlineAllowance* allowance);
  void Recycle(RowSink* sink) { returned_.Push(sink); }

  // States of an answer go to the sequence; fails for one that the model cannot be given.
  base::Status TakeStates(SequenceStep& step, core::InferResponse& response) const {
    return tensors_.TakeStates(response, step.added, *step.memory);
  }

 private:
  class InstanceChange;

  struct Instance {
    base::Ref<Model> model;            // null: gone
    uint32_t running_rows = 0;         // direct: of the batch it has
    base::Instant due = base::kNever;  // direct: when its batch waits no longer
    base::BufferRef zeros;             // of rows without requests
    bool is_serving = true;            // else poisoned or lost
    base::Status lost;                 // not ok: for good
    bool is_kept = false;              // a change is prepared in which it stays
    bool is_ending = false;            // has left and is being destroyed
  };

  SequenceModel(core::ModelPlan plan, SequenceTensors tensors, backend::Backend& backend,
                std::shared_ptr<backend::BackendModel> backend_model, core::ModelPlan inner,
                const ModelOptions& options);
  ~SequenceModel() override;

  std::shared_ptr<const Models> ListModels() const;

  // sequence_instances.cc
  // Its number `index`, with the limits of `live`.
  base::Result<base::Ref<Model>> LoadInstance(uint32_t index, const core::ModelPlan& live);
  bool CountsBytes(const core::ModelPlan& live) const {
    return live.queue.max_queue_bytes != 0 || options_.metrics.extended;
  }
  // The batches of an instance as `live` wants them.
  core::ModelPlan InnerPlan(const core::ModelPlan& live) const;
  // Of so many instances those that are there stay, until LetGo. Returns the numbers of the others;
  // waits while one of them is being destroyed.
  std::vector<uint32_t> KeepInstances(uint32_t count);
  void LetGo();
  base::Status StartDrain();
  // `added`: by number, null where an instance stays.
  void Adopt(std::unique_ptr<const core::ModelPlan> next, uint32_t count, Models added);
  void Drain();

  void Watch();
  // What waits at the instances. Not under the lock.
  QueuedInputs QueuedAtInstances() const;
  void TakeBack(core::RequestPtr request, core::InferResponse& response) override;

  // sequence_recovery.cc
  // The instance may have been poisoned, rebuilt or lost.
  void OnHealth(uint32_t instance);
  // Ends the sequences whose state the instance took with it. Returns what was handed to it.
  std::vector<base::Ref<SequenceStep>> EndSequencesOfLocked(uint32_t instance, base::Instant now,
                                                            Launch& launch);

  // Functions ending in Locked need mutex_.
  void ListModelsLocked();
  bool IsDrainedLocked(uint32_t instance) const;
  void TellDrainLocked();
  // Whether any instance serves or will.
  void CheckLostLocked(base::Instant now, Launch& launch);
  void AcceptLocked(core::RequestPtr request, const QueuedInputs& handed, base::Instant now,
                    Launch& launch);
  base::Status AdmitLocked(core::RequestPtr& request, const QueuedInputs& handed, base::Instant now,
                           Launch& launch);
  // The queue has room for it. `handed`: what waits at the instances.
  base::Status CheckRoomLocked(const core::InferRequest& request, const QueuedInputs& handed) const;
  // Takes what may run.
  void CollectLocked(base::Instant now, Launch& launch);
  // sequence_direct.cc
  void CollectDirectLocked(uint32_t instance, base::Instant now, Launch& launch);
  // Whose request has waited longest for the instance; kNoSequence when nothing is to run now.
  scheduler::SequenceIndex ChooseLeadLocked(uint32_t instance, base::Instant now, Launch& launch);
  bool MayShareBatchLocked(scheduler::SequenceIndex lead, scheduler::SequenceIndex sequence);
  const SequenceMemory& StatesLocked(scheduler::SequenceIndex sequence);

  void TakeLocked(scheduler::SequenceIndex sequence, Launch& launch);
  // Ends the sequence if its next request is cancelled or late. True when it did.
  bool EndIfDeadLocked(scheduler::SequenceIndex sequence, base::Instant now, Launch& launch);
  // Refuses all of the chain: `cause` with the status, the others because of it.
  void RefuseLocked(RequestChain chain, const core::ResponseSink* cause, const base::Status& status,
                    metrics::FailureReason reason, base::Instant now, Launch& launch);
  SequenceMemory& MemoryLocked(scheduler::SequenceIndex sequence);
  template <typename Sink>
  Sink* TakeSinkLocked(std::vector<std::unique_ptr<Sink>>& made, RowSink*& free);
  core::RequestPtr TakeEmptyRowLocked(uint32_t instance);
  base::Instant NextLookLocked() const;
  void SettleLocked();

  backend::Backend& backend_;
  const std::shared_ptr<backend::BackendModel> backend_model_;
  const std::vector<core::WarmupSample> warmup_;
  const core::ModelPlan inner_;  // of an instance
  const ModelOptions options_;
  const std::shared_ptr<base::MemoryBudget> budget_;
  const SequenceTensors tensors_;
  const bool has_free_shapes_;                            // two requests may differ in shape
  const base::Ref<metrics::ResponseCounters> responses_;  // null unless the model is decoupled
  double load_seconds_ = 0;
  std::mutex change_mutex_;  // held by a change, and while Stop joins; never inside mutex_
  std::atomic<bool> limits_bytes_;

  mutable std::mutex mutex_;
  std::condition_variable idle_;     // Stop: nothing pending
  std::condition_variable look_;     // the watch: earlier than it thought, stop
  std::condition_variable drained_;  // an instance that left has no sequences, or is gone
  // The plan that limits are taken from, and its place once they have changed; guarded by mutex_.
  const core::ModelPlan* live_ = &plan_;
  std::unique_ptr<const core::ModelPlan> changed_;
  std::vector<Instance> instances_;       // guarded by mutex_
  std::shared_ptr<const Models> models_;  // of instances_; guarded by mutex_
  uint32_t leaving_ = 0;                  // of instances_; guarded by mutex_
  metrics::ModelStatistics gone_;         // batches of instances that are; guarded by mutex_
  scheduler::Sequences sequences_;        // guarded by mutex_
  std::deque<SequenceMemory> memories_;   // by sequence; one that runs is its step's
  std::deque<SequenceStep*> running_;     // by sequence; null = none; guarded by mutex_
  SequenceCounters counters_;             // guarded by mutex_
  std::vector<scheduler::SequenceIndex> direct_rows_;  // of the batch being made; guarded by mutex_
  base::Instant watch_until_ = base::kNever;           // guarded by mutex_
  uint64_t next_id_ = 1;                               // guarded by mutex_
  base::Status lost_;                                  // not ok: no instance will serve
  bool is_stopping_ = false;                           // guarded by mutex_
  bool is_stopped_ = false;                            // guarded by mutex_
  base::MpscQueue<RowSink> returned_;
  RowSink* free_steps_ = nullptr;                     // guarded by mutex_
  RowSink* free_rows_ = nullptr;                      // guarded by mutex_
  std::vector<std::unique_ptr<SequenceStep>> steps_;  // all; guarded by mutex_
  std::vector<std::unique_ptr<EmptyRow>> rows_;       // all; guarded by mutex_
  base::Thread watch_;
  bool has_drain_ = false;  // changed under change_mutex_
  base::Thread drain_;
};

}  // namespace serving::model
