// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ref.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "core/response_sink.h"
#include "ensemble/binding.h"
#include "ensemble/graph.h"
#include "model/queue_timers.h"

namespace serving::ensemble {

class Ensemble;
class Frame;
class Relay;
class Run;

// A tensor on its way through the graph. Its bytes are looked at where they are: in the request of
// the ensemble, or in the output of the step that made it.
struct Value {
  enum class State : uint8_t { kMissing, kAbsent, kPresent };

  State state = State::kMissing;
  tensor::DataType data_type = tensor::DataType::kFp32;
  tensor::Shape shape;
  int64_t batch_size = 0;                    // of the request that made it; 0 = it has none
  const core::InputTensor* input = nullptr;  // of the ensemble's request; null = made by a step
  tensor::TensorView view;                   // made by a step
  base::BufferRef owner;                     // of `view`
  const std::byte* made_at = nullptr;        // by a step: where `view` was when it came
  // Steps that have yet to let go of it, and 1 while it waits to be answered. The last one frees
  // the bytes.
  std::atomic<uint32_t> holders{0};
};

// One request of one step, and where its answers go. Reused.
class Step final : public core::ResponseSink, public core::RequestHome {
 public:
  Step(Frame& frame, uint32_t index) : frame_(frame), index_(index) {}

  // A request to fill, whose answers come to this step. Holds the frame until both are done with.
  core::RequestPtr Open();

  uint32_t index() const { return index_; }
  Frame& frame() { return frame_; }
  int64_t batch_size = 0;  // of its request; 0 = its model has no batch dimension
  base::Ref<core::RequestObserver> observer;     // of its request; until the last response
  std::optional<model::QueueTimers::Key> timer;  // of its time in the queue; the run's

  core::InferResponse* NewResponse() override;
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override;
  base::Waker* Send(core::InferResponse* response) override;
  void AwaitRoom() override;

  // The step's model has let its inputs go.
  void Recycle(core::InferRequest* request) override;

 private:
  void Dispose() override;
  void Release(core::InferResponse* response);

  Frame& frame_;
  const uint32_t index_;
  core::InferRequest request_;
  core::InferResponse first_;  // most requests have one answer
  std::atomic<bool> first_is_taken_{false};
};

// The tensors that belong together: those of the request, or those that come from one response of
// a decoupled step. Its steps run on them. Reused.
class Frame final : public base::RefCounted {
 public:
  explicit Frame(const Graph& graph);

  // Begins with one reference, which keeps `run`.
  void Open(Run& run, bool is_child);

  Run& run() { return *run_; }
  Value& value(uint32_t tensor) { return values_[tensor]; }
  Step& step(uint32_t index) { return *steps_[index]; }
  bool is_child() const { return is_child_; }

  // How many of the step's inputs have yet to come.
  std::vector<uint32_t> missing;
  uint32_t outputs_missing = 0;  // of the wanted outputs of the ensemble

  // A step or the answer needs the tensor no more.
  void LetGo(uint32_t tensor);

 private:
  void Dispose() override;

  Run* run_ = nullptr;
  bool is_child_ = false;
  std::vector<Value> values_;
  std::vector<std::unique_ptr<Step>> steps_;
};

// One request to an ensemble on its way through the graph.
//
// Threads: Begin once; steps end on any thread. One short lock guards what is known; it is held
// while a response is handed over, so that the final one is the last.
// Owns: the request, until every step has let its inputs go. Reused.
class Run final : public base::RefCounted {
 public:
  explicit Run(Ensemble& owner) : owner_(owner) {}

  // Begins with one reference.
  void Open(core::RequestPtr request, base::Ref<const Binding> binding, base::Instant now);
  // Submits the steps that need nothing but the request.
  void Begin();

  void OnResponse(Step& step, core::InferResponse& response);
  // Waits while too much of what a decoupled step has made is on its way.
  void AwaitRoom();
  // The step's request has been submitted to `model` and may wait there until `when`.
  void LimitWait(Step& step, base::Ref<model::Servable> model, base::Instant when);
  // Takes the run's queued steps out of their models.
  // False when none was queued.
  bool RemoveQueued(const base::Status& status, metrics::FailureReason reason);

  const core::InferRequest& request() const { return *request_; }
  // Of a run that was not let in.
  core::RequestPtr TakeRequest() { return std::move(request_); }
  core::ResponseSink& sink() const { return *request_->sink; }
  const Binding& binding() const { return *binding_; }
  Ensemble& owner() const { return owner_; }
  bool needs(uint32_t step) const { return needed_.empty() || needed_[step] != 0; }
  bool wants(uint32_t slot) const;
  // Ends a run that has not begun.
  void Refuse(const base::Status& status);

  void AddBytes(size_t bytes);
  void DropBytes(size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  void OnChild();
  void OnChildGone();

  // The owner's, guarded by its lock.
  Run* previous = nullptr;
  Run* next = nullptr;
  size_t reserved_bytes = 0;
  size_t input_bytes = 0;
  size_t peak_bytes() const { return peak_bytes_; }  // after its end

 private:
  friend class Frame;
  void Dispose() override;

  // Functions ending in Locked need mutex_.
  void TakeInputsLocked(Frame& frame);
  void TakeOutputsLocked(Step& step, core::InferResponse& response);
  void ArriveLocked(Frame& frame, uint32_t tensor);
  void StartStepLocked(Frame& frame, uint32_t index);
  base::Status FillLocked(Frame& frame, const Binding::Step& bound, core::InferRequest& request);
  void AnswerLocked(Frame& frame);
  void FailLocked(const base::Status& status);
  void CountStageTimesLocked(const core::StageTimes& times);
  // Ends the run when no step is left. True when it has.
  bool SettleLocked();
  void SendLocked(core::InferResponse* response, bool is_final);
  // `response`: to be filled, null = a new one.
  core::InferResponse* MakeErrorLocked(core::InferResponse* response);

  Ensemble& owner_;
  base::Ref<Ensemble> owner_alive_;  // while it is open
  base::Ref<const Binding> binding_;
  core::RequestPtr request_;
  std::vector<uint8_t> needed_;  // by step; empty = all
  base::Instant start_;

  std::mutex mutex_;
  std::vector<Step*> running_;             // guarded by mutex_
  core::InferResponse* answer_ = nullptr;  // complete, to be sent; guarded by mutex_
  base::Status error_;                     // the first; guarded by mutex_
  base::Nanoseconds compute_input_{0};     // of all steps; guarded by mutex_
  base::Nanoseconds compute_infer_{0};     // guarded by mutex_
  base::Nanoseconds compute_output_{0};    // guarded by mutex_
  size_t handed_on_ = 0;                   // bytes that steps read of others; guarded by mutex_
  bool is_ended_ = false;                  // guarded by mutex_
  size_t peak_bytes_ = 0;                  // guarded by mutex_
  std::atomic<size_t> bytes_{0};           // of tensors that steps have made and others need

  std::mutex room_mutex_;  // never held while another lock is taken
  std::condition_variable room_;
  uint32_t children_ = 0;  // frames open; guarded by room_mutex_
  uint32_t waiting_ = 0;   // producers in AwaitRoom; guarded by room_mutex_
};

}  // namespace serving::ensemble
