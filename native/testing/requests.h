// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/infer_request.h"
#include "core/model_plan.h"
#include "testing/buffers.h"
#include "testing/recording_sink.h"

namespace serving::testing {

inline core::TensorPlan Tensor(std::string name, tensor::DataType type, std::vector<int64_t> dims) {
  core::TensorPlan plan;
  plan.tensor = {std::move(name), type, tensor::Shape(dims)};
  return plan;
}

// One input INPUT0 and one output OUTPUT0 of the same type and dimensions.
inline core::ModelPlan MakePlan(std::string backend, int64_t max_batch_size = 8,
                                tensor::DataType type = tensor::DataType::kInt32,
                                std::vector<int64_t> dims = {-1}) {
  core::ModelPlan plan;
  plan.name = "m";
  plan.backend = std::move(backend);
  plan.max_batch_size = max_batch_size;
  plan.inputs.push_back(Tensor("INPUT0", type, dims));
  plan.outputs.push_back(Tensor("OUTPUT0", type, std::move(dims)));
  return plan;
}

// A request as a protocol leaves it, with slots and batch size as engine/validate sets them.
class RequestBuilder {
 public:
  RequestBuilder() : request_(new core::InferRequest), sink_(base::MakeRef<RecordingSink>()) {
    request_->sink = sink_;
    request_->times.received = std::chrono::steady_clock::now();
  }

  RequestBuilder& Rows(int64_t rows) {
    request_->batch_size = rows;
    return *this;
  }
  // `offset`: bytes behind a 64-byte boundary at which the tensor begins.
  RequestBuilder& Input(uint32_t slot, tensor::DataType type, std::vector<int64_t> shape,
                        std::string_view bytes, size_t offset = 0) {
    core::InputTensor& input = Begin(slot, type, shape);
    AddPart(input, bytes, offset);
    return *this;
  }
  RequestBuilder& InputInParts(uint32_t slot, tensor::DataType type, std::vector<int64_t> shape,
                               std::initializer_list<std::string_view> parts) {
    core::InputTensor& input = Begin(slot, type, shape);
    for (const std::string_view part : parts) AddPart(input, part, 0);
    return *this;
  }
  RequestBuilder& Want(uint32_t slot) {
    request_->wanted.emplace_back().slot = slot;
    return *this;
  }

  const base::Ref<RecordingSink>& sink() const { return sink_; }
  core::InferRequest& request() { return *request_; }
  core::RequestPtr Take() { return std::move(request_); }

 private:
  core::InputTensor& Begin(uint32_t slot, tensor::DataType type,
                           const std::vector<int64_t>& shape) {
    core::InputTensor& input = request_->AddInput();
    input.slot = slot;
    input.data_type = type;
    input.shape = tensor::Shape(shape);
    return input;
  }
  void AddPart(core::InputTensor& input, std::string_view bytes, size_t offset) {
    base::BufferRef buffer = MakeBuffer(bytes, offset);
    input.parts.push_back({.data = buffer->data() + offset, .size = bytes.size()});
    input.byte_size += bytes.size();
    request_->kept.push_back(std::move(buffer));
  }

  core::RequestPtr request_;
  base::Ref<RecordingSink> sink_;
};

}  // namespace serving::testing
