// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ref.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "core/model_plan.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"
#include "trace/sampler.h"

namespace serving::trace {

// What a timestamp is of; the names are Triton's.
enum class Moment : uint8_t {
  kHttpRecvStart,
  kHttpRecvEnd,
  kHttpSendStart,
  kHttpSendEnd,
  kGrpcWaitReadStart,
  kGrpcWaitReadEnd,
  kGrpcSendStart,
  kGrpcSendEnd,
  kRequestStart,
  kQueueStart,
  kComputeStart,
  kComputeInputEnd,
  kComputeOutputStart,
  kComputeEnd,
  kRequestEnd,
  kInferResponseComplete,
};

std::string_view MomentName(Moment moment);

struct Stamp {
  Moment moment;
  base::Instant at;
};

// A copy of one tensor at one place of its way.
struct TracedTensor {
  std::string_view activity;  // TENSOR_QUEUE_INPUT, TENSOR_BACKEND_OUTPUT
  std::string name;
  tensor::DataType data_type = tensor::DataType::kFp32;
  tensor::Shape shape;
  std::string bytes;
};

class StepRecords;

// What one traced request left. Owned by its call, then by the queue. One thread at a time.
class Record {
 public:
  // Copies of tensors stop here; a record notes that it holds less than there was.
  static constexpr size_t kMaxTensorBytes = 4 << 20;

  // What the records of one request and of the steps below it have in common.
  struct Origin {
    uint64_t parent_id = 0;
    uint64_t sampler_id = 0;
    bool is_grpc = false;
    Level level;
  };

  Record(const Sampler& sampler, bool is_grpc);
  // Of a step.
  explicit Record(const Origin& origin);
  ~Record();

  // Of the records below this one.
  Origin origin() const { return {id, sampler_id, is_grpc, level}; }

  void Add(Moment moment, base::Instant at) { stamps_.push_back({moment, at}); }
  // Before the request is handed to the engine.
  void NoteRequest(const core::ModelPlan& plan, const core::InferRequest& request);
  // For each response, in order.
  void NoteResponse(const core::ModelPlan& plan, const core::InferResponse& response);

  // Unique in the life of the process, from 1.
  const uint64_t id;
  const uint64_t parent_id;  // of the ensemble's record that it is a step of; 0 = of none
  const uint64_t sampler_id;
  const bool is_grpc;
  const Level level;
  std::string model_name;
  int64_t model_version = 0;
  std::string request_id;
  std::string trace_parent;  // W3C `traceparent` as it came
  bool is_failed = false;
  base::Ref<StepRecords> steps;  // of a request to an ensemble; null for others

  std::span<const Stamp> stamps() const { return stamps_; }
  std::span<const TracedTensor> tensors() const { return tensors_; }
  bool is_cut() const { return is_cut_; }
  size_t ByteSize() const { return sizeof(*this) + 16 * stamps_.size() + tensor_bytes_; }

 private:
  // Room for a copy of `size` bytes; null when there is none.
  TracedTensor* AddTensor(std::string_view activity, std::string_view name, size_t size);

  std::vector<Stamp> stamps_;
  std::vector<TracedTensor> tensors_;
  size_t tensor_bytes_ = 0;
  bool is_cut_ = false;
};

}  // namespace serving::trace
