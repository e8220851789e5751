// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "trace/record.h"

#include <atomic>

#include "trace/step_records.h"

namespace serving::trace {
namespace {

std::atomic<uint64_t> g_next_id{1};

void Append(std::string& bytes, const tensor::TensorView& view) {
  bytes.append(reinterpret_cast<const char*>(view.data), view.size);
}

}  // namespace

std::string_view MomentName(Moment moment) {
  static constexpr std::string_view kNames[] = {
      "HTTP_RECV_START",      "HTTP_RECV_END",     "HTTP_SEND_START", "HTTP_SEND_END",
      "GRPC_WAITREAD_START",  "GRPC_WAITREAD_END", "GRPC_SEND_START", "GRPC_SEND_END",
      "REQUEST_START",        "QUEUE_START",       "COMPUTE_START",   "COMPUTE_INPUT_END",
      "COMPUTE_OUTPUT_START", "COMPUTE_END",       "REQUEST_END",     "INFER_RESPONSE_COMPLETE"};
  return kNames[static_cast<size_t>(moment)];
}

Record::Record(const Sampler& sampler, bool is_grpc)
    : Record(Origin{0, sampler.id(), is_grpc, sampler.level()}) {}

Record::Record(const Origin& origin)
    : id(g_next_id.fetch_add(1, std::memory_order_relaxed)),
      parent_id(origin.parent_id),
      sampler_id(origin.sampler_id),
      is_grpc(origin.is_grpc),
      level(origin.level) {}

Record::~Record() = default;

TracedTensor* Record::AddTensor(std::string_view activity, std::string_view name, size_t size) {
  if (size > kMaxTensorBytes - tensor_bytes_) {
    is_cut_ = true;
    return nullptr;
  }
  tensor_bytes_ += size;
  TracedTensor& tensor = tensors_.emplace_back();
  tensor.activity = activity;
  tensor.name = name;
  tensor.bytes.reserve(size);
  return &tensor;
}

void Record::NoteRequest(const core::ModelPlan& plan, const core::InferRequest& request) {
  model_name = plan.name;
  model_version = plan.version;
  request_id = request.id;
  if (!level.tensors) return;
  for (const core::InputTensor& input : request.inputs) {
    TracedTensor* copy = AddTensor("TENSOR_QUEUE_INPUT", input.name, input.byte_size);
    if (copy == nullptr) continue;
    copy->data_type = input.data_type;
    copy->shape = input.shape;
    for (const tensor::TensorView& part : input.parts) Append(copy->bytes, part);
  }
}

void Record::NoteResponse(const core::ModelPlan& plan, const core::InferResponse& response) {
  const core::StageTimes& times = response.times;
  const auto add = [&](Moment moment, base::Instant at) {
    if (at != base::Instant()) Add(moment, at);
  };
  if (response.is_final) {
    add(Moment::kQueueStart, times.queued);
  }
  // An ensemble computes nothing itself.
  if (response.is_final && !plan.ensemble) {
    add(Moment::kComputeStart, times.compute_start);
    add(Moment::kComputeInputEnd, times.input_end);
    add(Moment::kComputeOutputStart, times.infer_end);
    add(Moment::kComputeEnd, times.output_end);
  }
  is_failed = is_failed || !response.status.ok();
  if (!level.tensors) return;
  for (const core::OutputTensor& output : response.outputs) {
    TracedTensor* copy =
        AddTensor("TENSOR_BACKEND_OUTPUT", plan.outputs[output.slot].tensor.name, output.view.size);
    if (copy == nullptr) continue;
    copy->data_type = output.data_type;
    copy->shape = output.shape;
    Append(copy->bytes, output.view);
  }
}

}  // namespace serving::trace
