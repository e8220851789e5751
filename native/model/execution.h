// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/ref.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "core/model_plan.h"
#include "device/host_pool.h"
#include "metrics/model_statistics.h"

namespace serving::model {

// Times of one execution, shared by its requests.
struct ExecutionTimes {
  base::Instant compute_start;
  base::Instant input_end;
  base::Instant infer_end;
  base::Instant output_end;
};

// Told by Execution when a batch has its answers. Called on the completing thread; the lease is
// still held.
class ExecutionListener {
 public:
  virtual ~ExecutionListener() = default;
  // Counters first, then Deliver, then the lease is free. `answered` = the backend has sent the
  // responses itself.
  virtual void OnExecuted(int instance, const base::Status& status, bool answered) = 0;
};

// The prepared answers of a batch, one for each of its requests.
struct BatchAnswers {
  std::vector<core::RequestPtr> requests;
  std::vector<core::InferResponse*> responses;
};
void SendAnswers(BatchAnswers answers);

// Takes requests that their backend hands back, on the thread that ends the batch, while the lease
// is held. `response` holds what the execution made, of which no client hears.
class RequestTaker {
 public:
  virtual ~RequestTaker() = default;
  virtual void TakeBack(core::RequestPtr request, core::InferResponse& response) = 0;
};

// One lease's working place: gathers the requests of a batch into contiguous inputs, lends them to
// the backend and scatters its outputs into one response per request. Reused for every batch of its
// instance.
//
// Threads: whoever holds the lease. Owns the requests from Add until Deliver.
class Execution final : public backend::Batch {
 public:
  Execution(const core::ModelPlan& plan, int instance, size_t input_alignment,
            std::shared_ptr<base::MemoryBudget> budget, ExecutionListener* listener,
            bool only_copies_values = false);

  // Null: no request runs again.
  void SetTaker(RequestTaker* taker) { taker_ = taker; }

  void Add(core::RequestPtr request);
  bool empty() const { return owned_.empty(); }

  // Gathers and calls the backend. Complete may have been called when it returns.
  void Run(backend::Instance& instance, base::Instant now);

  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override;
  base::Status Reschedule(size_t request) override;
  void Complete(base::Status status) override;
  void CompleteAnswered() override;

  std::span<const core::RequestPtr> owned() const { return owned_; }
  const ExecutionTimes& times() const { return times_; }
  // Where inputs are gathered and outputs lie. Trimmed by who holds the lease.
  device::HostPool& pool() const { return *pool_; }

  // Why the instance must not run again, since the last call; empty = it may.
  std::string TakePoison() { return std::exchange(poison_, {}); }
  bool is_poisoned() const { return !poison_.empty(); }
  // Of this batch.
  const metrics::PaddingStatistics& padding() const { return padding_; }

  // Sends the prepared responses and lets the requests go.
  void Deliver();
  // Instead of Deliver: the caller sends them, when it may.
  BatchAnswers TakeAnswers();

 private:
  base::Status Gather();
  base::Status GatherInput(uint32_t slot);
  // Inputs that an ensemble handed on and that did not stay where a step made them.
  void CountCopies() const;
  // An input that may have to be filled up first.
  base::Status GatherPadded(uint32_t slot);
  // Ragged inputs in one dimension, and the tensors made from the batch.
  base::Status GatherRagged();
  // A single request's input in one aligned piece is used where it is.
  bool LendInput(const core::InferRequest& request, const core::InputTensor& input,
                 backend::BatchInput& target) const;
  // A backend may look at, or write to, a client's memory that holds this type.
  bool MaySeeClientMemory(tensor::DataType type) const;
  base::BufferRef UsablePlace(const core::InferRequest& request, uint32_t slot, size_t bytes) const;
  base::Status CopyInput(uint32_t slot, backend::BatchInput& target);
  base::Status Scatter();
  base::Status ScatterOutput(uint32_t slot);
  base::Status ScatterOutputByInput(uint32_t slot);
  core::OutputTensor& AddOutput(size_t index, uint32_t slot, const tensor::Shape& shape,
                                std::span<const std::byte> bytes);
  // Cut back to the size that the request has itself.
  base::Status AddUnpadded(size_t index, uint32_t slot, const tensor::Shape& shape,
                           std::span<const std::byte> bytes);
  void PrepareErrors(const base::Status& status);
  void HandBack();
  bool IsReturned(size_t i) const { return i < returned_.size() && returned_[i] != nullptr; }
  void Clear();

  const core::ModelPlan& plan_;
  const int instance_;
  const size_t input_alignment_;
  const bool only_copies_values_;
  const bool is_ragged_;
  const bool has_padding_;
  ExecutionListener* const listener_;
  base::Ref<device::HostPool> pool_;
  std::vector<core::RequestPtr> owned_;
  std::vector<core::InferResponse*> responses_;  // one per request; empty when the backend answered
  std::vector<base::Waker*> wakers_;
  ExecutionTimes times_;
  RequestTaker* taker_ = nullptr;
  // By request: what is made for one that runs again; empty where none does.
  std::vector<std::unique_ptr<core::InferResponse>> returned_;
  metrics::PaddingStatistics padding_;
};

// Finds the input of a request by slot; null when absent.
const core::InputTensor* FindInput(const core::InferRequest& request, uint32_t slot);

// True when the request wants the output.
bool WantsOutput(const core::InferRequest& request, uint32_t slot);

}  // namespace serving::model
