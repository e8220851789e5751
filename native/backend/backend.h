// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "core/response_sink.h"
#include "tensor/tensor_view.h"

namespace serving::backend {

// One input of a batch: all rows one after the other. Absent optional inputs have `present` false.
struct BatchInput {
  bool present = false;
  tensor::DataType data_type = tensor::DataType::kFp32;
  // With the batch's rows as first dimension where the model has one; ragged inputs have one
  // dimension, the elements of all requests.
  tensor::Shape shape;
  tensor::TensorView view;
  base::BufferRef
      owner;  // keeps the bytes alive beyond the requests, so an output may look at them
};

// One output of a batch, filled by the backend. `owner` empty = not produced.
struct BatchOutput {
  tensor::DataType data_type = tensor::DataType::kFp32;
  // With the batch's rows as first dimension where the model has one and the output is not
  // scattered by the shapes of an input.
  tensor::Shape shape;
  tensor::TensorView view;
  base::BufferRef owner;
};

// Requests executed together on one instance. Made by model/, lent to the backend from Execute
// until Complete.
class Batch {
 public:
  virtual ~Batch() = default;

  // By slot; then the tensors made from the batch, in the order of the plan.
  std::span<const BatchInput> inputs() const { return inputs_; }
  std::span<BatchOutput> outputs() { return outputs_; }  // by slot
  // At least one request of the batch wants this output.
  bool wants(uint32_t slot) const { return wanted_[slot] != 0; }
  int64_t rows() const { return rows_; }
  // The requests in batch order, for backends that answer them one by one through their sinks
  // (decoupled models).
  std::span<core::InferRequest* const> requests() const { return requests_; }
  // Memory for an output, charged, 64-byte aligned; null when the budget is full. Until Complete
  // only.
  base::BufferRef Allocate(size_t bytes) { return allocator_->Allocate(bytes); }
  // The same for the bytes of output `slot`: where the client wants them, if the batch is one
  // request that names a place for them which the backend may use.
  virtual base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) {
    (void)slot;
    return Allocate(bytes);
  }

  // Hands a request back, before Complete: it gets no response of this execution and runs again,
  // before the others of its sequence, with the states that this execution makes. Fails for models
  // without iterative sequences.
  virtual base::Status Reschedule(size_t request) {
    (void)request;
    return base::InvalidArgument("requests run again in models with iterative sequences only");
  }

  // The instance must not run again (a device in a sticky error, a runtime that lost its state):
  // before the execution ends. `reason` is for the operator. The model destroys the instance, asks
  // its BackendModel for another and lets requests wait for that one.
  void Poison(std::string reason) { poison_ = std::move(reason); }

  // Ends the execution: exactly once, from any thread, last touch of the batch. OK = outputs() hold
  // every wanted output; an error is every request's answer.
  virtual void Complete(base::Status status) = 0;
  // Ends the execution of a backend that has answered each request itself through its sink.
  virtual void CompleteAnswered() = 0;

 protected:
  std::vector<BatchInput> inputs_;
  std::vector<BatchOutput> outputs_;
  std::vector<uint8_t> wanted_;
  std::vector<core::InferRequest*> requests_;
  int64_t rows_ = 0;
  base::BufferAllocator* allocator_ = nullptr;
  std::string poison_;  // why the instance must not run again; empty = it may
};

// One executing copy. One thread at a time (whoever holds the lease), not always the same one.
class Instance {
 public:
  virtual ~Instance() = default;
  // Starts the batch; Complete may be called before or after Execute returns.
  virtual void Execute(Batch& batch) = 0;
};

// One loaded version in a runtime. Threads: CreateInstance on the loading thread, and on any while
// the model serves; RebuildInstance on any, several at once; Control on any.
class BackendModel {
 public:
  virtual ~BackendModel() = default;
  virtual base::Result<std::unique_ptr<Instance>> CreateInstance(int index) = 0;
  // Takes the place of one that was poisoned; null when an attempt before has destroyed it.
  virtual base::Result<std::unique_ptr<Instance>> RebuildInstance(
      int index, std::unique_ptr<Instance> poisoned) {
    poisoned.reset();
    return CreateInstance(index);
  }
  // The version is being stopped: executions that wait for somebody outside go on now. Any thread,
  // more than once.
  virtual void Unblock() {}
  // What the runtime has allocated for all instances of the version: weights and working memory.
  // Nothing where it does not say. Any thread, while they run, too.
  virtual std::optional<size_t> RuntimeBytes() const { return std::nullopt; }
  // Test door: JSON in, JSON out. Only the test backends answer.
  virtual base::Result<std::string> Control(std::string_view json) {
    (void)json;
    return base::Unimplemented("this backend has no test controls");
  }
};

struct Inspection {
  std::vector<tensor::TensorDescriptor> inputs;  // dims with the batch dimension
  std::vector<tensor::TensorDescriptor> outputs;
};

// A runtime. One per engine; lives until the engine ends.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // An I/O thread may run a short batch itself (DESIGN §3): never for devices or test backends.
  virtual bool may_run_inline(const core::ModelPlan& plan) const = 0;
  // Requests are answered one by one by the backend (decoupled); outputs() is not used.
  virtual bool answers_itself() const { return false; }
  // A request's own buffer is used without a copy only if it is aligned to at least this.
  virtual size_t input_alignment() const { return 1; }
  // No value ever decides where the backend looks or writes next, so tensors of every type may lie
  // in memory that a client changes meanwhile. Otherwise only floating-point ones do: a changed
  // number is a wrong result, a changed index is a crash.
  virtual bool only_copies_values() const { return false; }
  virtual base::Result<std::unique_ptr<BackendModel>> Load(const core::ModelPlan& plan) = 0;
  virtual base::Result<Inspection> Inspect(const std::string& model_file) {
    (void)model_file;
    return base::Unimplemented("this backend cannot describe a model file");
  }
};

}  // namespace serving::backend
