// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "testing/buffers.h"

namespace serving::testing {

// A batch made by hand, to run one backend instance without a model around it.
class TestBatch final : public backend::Batch {
 public:
  explicit TestBatch(const core::ModelPlan& plan, size_t memory_limit = SIZE_MAX / 2)
      : budget_(std::make_shared<base::MemoryBudget>(memory_limit)),
        pool_(base::MakeRef<device::HostPool>(budget_)) {
    inputs_.resize(plan.inputs.size());
    outputs_.resize(plan.outputs.size());
    wanted_.assign(plan.outputs.size(), 1);
    allocator_ = pool_.get();
    rows_ = 1;
  }

  TestBatch& Rows(int64_t rows) {
    rows_ = rows;
    return *this;
  }
  TestBatch& Input(uint32_t slot, tensor::DataType type, std::vector<int64_t> shape,
                   std::string_view bytes) {
    backend::BatchInput& input = inputs_[slot];
    input.present = true;
    input.data_type = type;
    input.shape = tensor::Shape(shape);
    input.owner = MakeBuffer(bytes);
    input.view = {.data = input.owner->data(), .size = bytes.size()};
    return *this;
  }
  TestBatch& DoNotWant(uint32_t slot) {
    wanted_[slot] = 0;
    return *this;
  }
  void AddRequest(core::InferRequest* request) { requests_.push_back(request); }

  void Complete(base::Status status) override { Finish(std::move(status)); }
  void CompleteAnswered() override { Finish({}); }

  // Runs the batch and waits for its end.
  base::Status Run(backend::Instance& instance) {
    instance.Execute(*this);
    std::unique_lock lock(mutex_);
    const bool came =
        done_.wait_for(lock, std::chrono::seconds(60), [this] { return status_.has_value(); });
    SERVING_CHECK(came, "a batch was never completed");
    return *std::exchange(status_, std::nullopt);
  }

  std::string_view OutputBytes(uint32_t slot) const { return TextOf(outputs_[slot].view); }
  std::string OutputShape(uint32_t slot) const { return outputs_[slot].shape.ToString(); }
  const backend::BatchOutput& output(uint32_t slot) const { return outputs_[slot]; }
  backend::BatchOutput& output(uint32_t slot) { return outputs_[slot]; }
  size_t charged_bytes() const { return budget_->used(); }

 private:
  void Finish(base::Status status) {
    std::lock_guard lock(mutex_);
    SERVING_CHECK(!status_.has_value(), "a batch was completed twice");
    status_ = std::move(status);
    done_.notify_all();
  }

  std::shared_ptr<base::MemoryBudget> budget_;
  base::Ref<device::HostPool> pool_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::optional<base::Status> status_;  // guarded by mutex_
};

}  // namespace serving::testing
