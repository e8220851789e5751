// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/sequence_model.h"
#include "testing/model_harness.h"

namespace serving::testing {

enum SequenceFlags { kNone = 0, kStart = 1, kEnd = 2 };

inline std::string Int(int32_t number) { return Pack(std::span<const int32_t>(&number, 1)); }

inline core::SequenceControl MakeControl(core::SequenceControl::Kind kind, const char* name) {
  using Kind = core::SequenceControl::Kind;
  return {.kind = kind,
          .name = name,
          .data_type =
              kind == Kind::kCorrelationId ? tensor::DataType::kUint64 : tensor::DataType::kInt32,
          .false_bytes = Int(0),
          .true_bytes = Int(1)};
}

// A model that adds up, of the backend `sequence`, with every control.
inline core::ModelPlan SequencePlan(bool is_direct, uint32_t slots, int64_t max_batch_size = 4) {
  using Kind = core::SequenceControl::Kind;
  core::ModelPlan plan;
  plan.name = "m";
  plan.backend = "sequence";
  plan.max_batch_size = max_batch_size;
  plan.inputs.push_back(Tensor("IN", tensor::DataType::kInt32, {1}));
  plan.outputs.push_back(Tensor("OUT", tensor::DataType::kInt32, {1}));
  plan.outputs.push_back(Tensor("LOG", tensor::DataType::kBytes, {1}));
  plan.sequence.emplace();
  plan.sequence->is_direct = is_direct;
  plan.sequence->slots = slots;
  plan.sequence->max_idle = std::chrono::hours(1);
  plan.sequence->controls = {MakeControl(Kind::kStart, "START"), MakeControl(Kind::kEnd, "END"),
                             MakeControl(Kind::kReady, "READY"),
                             MakeControl(Kind::kCorrelationId, "CORRID")};
  if (!is_direct) plan.batching.emplace();
  return plan;
}

inline core::ModelPlan Closed(core::ModelPlan plan) {
  plan.parameters["closed"] = "true";
  return plan;
}

inline core::SequenceState MakeState(int32_t initial = 0) {
  core::SequenceState state;
  state.input = "STATE_IN";
  state.output = "STATE_OUT";
  state.data_type = tensor::DataType::kInt32;
  state.dims = state.initial_dims = tensor::Shape(std::vector<int64_t>{1});
  state.initial_bytes = Int(initial);
  return state;
}

// One answer to come.
struct SequenceCall {
  base::Ref<RecordingSink> sink;

  int32_t sum() const {
    const RecordedResponse& response = sink->Wait();
    EXPECT_TRUE(response.status.ok()) << response.status.message();
    int32_t number = 0;
    for (const auto& output : response.outputs) {
      if (output.slot == 0) std::memcpy(&number, output.bytes.data(), sizeof(number));
    }
    return number;
  }
  std::string log() const {
    for (const auto& output : sink->Wait().outputs) {
      if (output.slot == 1) return output.bytes.substr(sizeof(uint32_t));
    }
    return {};
  }
  base::StatusCode code() const { return sink->Wait().status.code(); }
  std::string error() const { return std::string(sink->Wait().status.message()); }
};

class SequenceHarness {
 public:
  explicit SequenceHarness(core::ModelPlan plan, metrics::MetricsOptions metrics = {},
                           std::shared_ptr<base::MemoryBudget> budget = Unlimited())
      : backend_(FindBackend(plan.backend)) {
    model_ = model::SequenceModel::Load(std::move(plan), *backend_,
                                        {.budget = std::move(budget), .metrics = metrics})
                 .Take();
  }
  SequenceHarness(core::ModelPlan plan, const model::ModelOptions& options,
                  std::unique_ptr<backend::Backend> backend = nullptr)
      : backend_(backend ? std::move(backend) : FindBackend(plan.backend)),
        model_(model::SequenceModel::Load(std::move(plan), *backend_, options).Take()) {}
  ~SequenceHarness() { model_->Stop(); }
  model::SequenceModel& operator*() { return *model_; }
  model::SequenceModel* operator->() { return model_.get(); }

  SequenceCall Send(core::CorrelationId id, int flags, int32_t number, uint64_t timeout_us = 0) {
    RequestBuilder builder;
    builder.Rows(1).Input(0, tensor::DataType::kInt32, {1, 1}, Int(number));
    core::InferRequest& request = builder.request();
    request.correlation_id = id;
    request.sequence_start = (flags & kStart) != 0;
    request.sequence_end = (flags & kEnd) != 0;
    request.timeout_us = timeout_us;
    SequenceCall call{builder.sink()};
    model::RequestChain chain;
    chain.Append(builder.Take());
    model_->Submit(chain, nullptr);
    return call;
  }
  std::string Gate(std::string_view json) { return model_->Control(json).Take(); }
  void AwaitAtGate(int waiting) {
    Gate(R"({"action":"await","waiting":)" + std::to_string(waiting) + "}");
  }
  void Open() { Gate(R"({"action":"open"})"); }

 private:
  std::unique_ptr<backend::Backend> backend_;
  base::Ref<model::SequenceModel> model_;
};

}  // namespace serving::testing
