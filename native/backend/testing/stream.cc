// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <atomic>
#include <cstring>

#include "backend/testing/flat_json.h"
#include "backend/testing/test_model.h"

namespace serving::backend {
namespace {

// Output i is input i, so their slots are the same.
bool Wants(const core::InferRequest& request, uint32_t slot) {
  return request.wanted.empty() || std::ranges::any_of(request.wanted, [&](const auto& wanted) {
           return wanted.slot == slot;
         });
}

class StreamModel final : public TestModel {
 public:
  StreamModel(int64_t responses, int64_t fail_at, bool has_empty_final)
      : responses_(responses),
        fail_at_(fail_at),
        has_empty_final_(has_empty_final || responses == 0) {}

  void Execute(Batch& batch) override {
    for (const core::InferRequest* request : batch.requests()) Answer(*request);
    ++executed_;
    batch.CompleteAnswered();
  }

  base::Result<std::string> Control(std::string_view json) override {
    ASSIGN_OR_RETURN(const FlatJson control, FlatJson::Parse(json));
    return "{\"executed\":" + std::to_string(executed_) + ",\"sent\":" + std::to_string(sent_) +
           "}";
  }

 private:
  void Answer(const core::InferRequest& request) {
    const base::Ref<core::ResponseSink> sink = request.sink;
    for (int64_t i = 0; i < responses_ && !sink->is_cancelled(); ++i) {
      const bool is_final = i + 1 == responses_ && !has_empty_final_;
      core::InferResponse* response = sink->NewResponse();
      response->times = request.times;
      if (i + 1 == fail_at_) {
        response->status = base::Internal("stream: told to fail here");
        response->is_final = is_final;
      } else {
        response->status = CopyOutputs(request, *sink, *response);
        response->is_final = is_final || !response->status.ok();
      }
      const bool is_end = response->is_final;
      core::SendNow(*sink, response);
      ++sent_;
      if (is_end) return;
    }
    core::InferResponse* end = sink->NewResponse();
    end->times = request.times;
    if (sink->is_cancelled()) end->status = base::Cancelled("Request is cancelled");
    end->is_final = true;
    core::SendNow(*sink, end);
  }

  static base::Status CopyOutputs(const core::InferRequest& request, core::ResponseSink& sink,
                                  core::InferResponse& response) {
    for (const core::InputTensor& input : request.inputs) {
      if (!Wants(request, input.slot)) continue;
      base::BufferRef buffer = sink.AllocateOutput(input.slot, input.byte_size);
      if (!buffer) {
        response.outputs.clear();
        return base::Unavailable("stream: memory limit reached, retry later");
      }
      std::byte* out = buffer->data();
      for (const tensor::TensorView& part : input.parts) {
        if (part.size != 0) std::memcpy(out, part.data, part.size);
        out += part.size;
      }
      core::OutputTensor& output = response.outputs.emplace_back();
      output.slot = input.slot;
      output.data_type = input.data_type;
      output.shape = input.shape;
      output.view = {.data = buffer->data(), .size = input.byte_size};
      output.owner = std::move(buffer);
    }
    return {};
  }

  const int64_t responses_;
  const int64_t fail_at_;  // counted from 1; 0 = none
  const bool has_empty_final_;
  std::atomic<int64_t> executed_{0};
  std::atomic<int64_t> sent_{0};  // responses that were taken, empty finals aside
};

}  // namespace

std::unique_ptr<Backend> MakeStreamBackend() {
  return std::make_unique<TestBackend>(
      "stream",
      [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        RETURN_IF_ERROR(CheckOutputsAreInputs("stream", plan));
        if (!plan.decoupled) {
          return base::InvalidArgument("stream: model '" + plan.name +
                                       "' answers many times: expected model_transaction_policy "
                                       "{ decoupled: true }");
        }
        ASSIGN_OR_RETURN(const int64_t responses, CountParameter(plan, "responses", 3));
        ASSIGN_OR_RETURN(const int64_t fail_at, CountParameter(plan, "fail_at", 0));
        ASSIGN_OR_RETURN(const bool has_empty_final, FlagParameter(plan, "empty_final"));
        return std::unique_ptr<BackendModel>(
            std::make_unique<StreamModel>(responses, fail_at, has_empty_final));
      },
      true);
}

}  // namespace serving::backend
