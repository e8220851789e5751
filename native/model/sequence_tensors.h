// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "core/model_plan.h"

namespace serving::model {

// A state between two requests of a sequence: the bytes of one row, where the model left them.
struct StateValue {
  tensor::Shape shape;  // with a batch dimension of 1 where the model has one
  tensor::TensorView view;
  base::BufferRef owner;
};

// What a sequence keeps from one request to the next.
struct SequenceMemory {
  std::vector<StateValue> states;  // as in SequencePlan::states
  base::BufferRef correlation_id;  // the element of the CORRID control; null without one
  size_t correlation_bytes = 0;
};

// What was added to a request for its model.
struct AddedTensors {
  size_t inputs = 0;  // its lists without them
  size_t kept = 0;
  size_t wanted = 0;
  std::vector<uint8_t> shows;  // by state: the client has asked for it as well
};

// The inputs that a model of sequences has beside those of its clients, and the outputs beside
// theirs: controls and states.
//
// Threads: immutable once made. Owns the bytes of the controls and the initial states.
class SequenceTensors {
 public:
  // The plan as its backend and instances have it: with controls and states behind the tensors of
  // clients, without sequences.
  static core::ModelPlan InnerPlan(const core::ModelPlan& plan);

  static base::Result<SequenceTensors> Make(const core::ModelPlan& plan,
                                            std::shared_ptr<base::MemoryBudget> budget);

  // Fails for an id that the model's CORRID control cannot tell.
  base::Status CheckId(const core::CorrelationId& id) const;
  // Before the first request. Fails when the memory is full.
  base::Status Begin(const core::CorrelationId& id, SequenceMemory& memory) const;
  // The states as before the first request.
  void ResetStates(SequenceMemory& memory) const;

  // Adds the inputs that tell where in its sequence the request is, and asks for the states.
  void Add(core::InferRequest& request, const SequenceMemory& memory, AddedTensors& added) const;
  static void Remove(core::InferRequest& request, const AddedTensors& added);
  // Makes `zeros` long enough for every tensor of a row like `like`, whose sequence has `memory`.
  // Fails when the memory is full.
  base::Status MakeZeros(const core::InferRequest& like, const SequenceMemory& memory,
                         base::BufferRef& zeros) const;
  // Makes an empty request one that stands for a row without any, in the shapes of `like`.
  void MakeRow(const core::InferRequest& like, const SequenceMemory& memory,
               const base::BufferRef& zeros, core::InferRequest& row) const;

  // Moves the states of a response to `memory` and leaves the client what it has asked for. Fails
  // when a state is none that the model could be given.
  base::Status TakeStates(core::InferResponse& response, const AddedTensors& added,
                          SequenceMemory& memory) const;

  // States of two sequences may differ in shape.
  bool has_free_states() const { return has_free_states_; }
  static bool HaveSameStates(const SequenceMemory& a, const SequenceMemory& b);

 private:
  struct Control {
    core::SequenceControl::Kind kind;
    uint32_t slot;
    tensor::DataType data_type;
    tensor::TensorView is_false;
    tensor::TensorView is_true;
  };
  struct State {
    core::SequenceState plan;
    uint32_t input;  // slots
    uint32_t output;
    bool is_public;  // clients see it as an output
    StateValue initial;
  };

  base::BufferRef Allocate(size_t bytes) const;
  // Null without one.
  const Control* FindCorrelationId() const;
  void AddInput(core::InferRequest& request, uint32_t slot, tensor::DataType type,
                const tensor::Shape& shape, const tensor::TensorView& view) const;
  tensor::TensorView ValueOf(const Control& control, const core::InferRequest& request,
                             const SequenceMemory& memory) const;
  base::Status CheckState(const State& state, const core::OutputTensor& output) const;

  std::string model_;
  std::shared_ptr<base::MemoryBudget> budget_;
  bool has_rows_ = false;
  bool has_free_states_ = false;
  tensor::Shape element_;  // of a control
  std::vector<Control> controls_;
  std::vector<State> states_;
  base::BufferRef constants_;  // the controls' values; null without controls
};

}  // namespace serving::model
