// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "core/client_memory.h"
#include "core/hand_over.h"
#include "core/parameters.h"
#include "core/request_observer.h"
#include "core/response_sink.h"
#include "core/stage_times.h"
#include "core/text_arena.h"
#include "tensor/tensor_view.h"

namespace serving::core {

inline constexpr uint32_t kNoSlot = UINT32_MAX;
// data_type_name of an input whose type the client called by no known name, as Triton words it.
// data_type then means nothing.
inline constexpr std::string_view kInvalidDataTypeName = "<invalid>";

// One input as it came: a list of pieces, each somewhere in memory. Most have one piece inside the
// body.
struct InputTensor {
  std::string_view name;
  uint32_t slot = kNoSlot;  // index in ModelPlan::inputs; set by engine/validate
  tensor::DataType data_type = tensor::DataType::kFp32;
  std::string_view data_type_name;  // as the client wrote it, or kInvalidDataTypeName
  tensor::Shape shape;
  std::vector<tensor::TensorView> parts;
  size_t byte_size = 0;  // sum of the parts
  // Where the step of an ensemble made it; null for all others.
  const std::byte* made_at = nullptr;
};

// One output the client asked for by name.
struct WantedOutput {
  std::string_view name;
  uint32_t slot = kNoSlot;          // set by engine/validate
  bool binary = false;              // HTTP: answer in the binary tail
  uint32_t classification = 0;      // top k, 0 = none
  ClientMemoryRef place = nullptr;  // where the client wants the bytes; null = in the answer
};

// `[request id: 7] `, or `<id_unknown>` where the client gave none: how the server's own errors
// about a request begin.
inline std::string RequestPrefix(std::string_view id) {
  std::string prefix = "[request id: ";
  prefix.append(id.empty() ? std::string_view("<id_unknown>") : id).append("] ");
  return prefix;
}

// Number, text, or none (monostate) for requests outside a sequence.
using CorrelationId = std::variant<std::monostate, uint64_t, std::string_view>;

class InferRequest;

// Gets a request back when nobody needs it any more. Called on whatever thread dropped it.
class RequestHome {
 public:
  virtual ~RequestHome() = default;
  virtual void Recycle(InferRequest* request) = 0;
};

// One infer call on its way through the rooms. Exactly one owner at a time (RequestPtr by value);
// names, ids and tensors are views into `body`, `kept` or `arena`, valid as long as the request.
//
// Its release is separate from its final response: a backend may answer early and read inputs
// longer, or release it and go on answering through the sink.
class InferRequest {
 public:
  std::string_view model_name;
  std::string_view model_version;  // as written; empty = highest ready
  std::string_view id;
  Parameters parameters;
  std::vector<InputTensor> inputs;
  std::vector<WantedOutput> wanted;  // empty = all outputs of the plan
  bool binary_by_default = false;    // HTTP: parameters.binary_data_output
  int64_t batch_size = 1;  // first dimension; 1 where the model has none. Set by engine/validate

  uint64_t priority = 0;
  uint64_t timeout_us = 0;
  CorrelationId correlation_id;
  bool sequence_start = false;
  bool sequence_end = false;
  bool wants_empty_final = false;  // gRPC streams: an empty final response is to be sent
  bool is_part = false;            // of a request that was split; it is counted as a whole
  bool is_admitted = false;        // a part that follows: what limits the queue is not for it

  base::Instant deadline = base::kNever;  // end to end, from grpc-timeout
  StageTimes times;

  base::BufferRef body;
  std::vector<base::BufferRef> kept;           // further memory that views point into
  std::vector<ClientMemoryRef> client_memory;  // of inputs and outputs; views may point into it
  TextArena arena;
  HandOver* hand_over = nullptr;  // of a step of an ensemble: where copies of `made_at` are counted
  base::Ref<ResponseSink> sink;
  base::Ref<RequestObserver> observer;  // of a traced request to an ensemble; null for others

  RequestHome* home = nullptr;   // null: plain delete
  InferRequest* next = nullptr;  // chains

  // Ready for the next call; capacity of the lists is kept.
  void Reset() {
    model_name = model_version = id = {};
    parameters.clear();
    for (InputTensor& input : inputs) spare_parts_.push_back(std::move(input.parts));
    inputs.clear();
    wanted.clear();
    binary_by_default = false;
    batch_size = 1;
    priority = timeout_us = 0;
    correlation_id = {};
    sequence_start = sequence_end = wants_empty_final = is_part = is_admitted = false;
    deadline = base::kNever;
    times = {};
    body.Reset();
    kept.clear();
    client_memory.clear();
    arena.Reset();
    hand_over = nullptr;
    sink.Reset();
    observer.Reset();
    next = nullptr;
  }

  // Appends an input whose part list reuses memory of earlier calls.
  InputTensor& AddInput() {
    InputTensor& input = inputs.emplace_back();
    if (!spare_parts_.empty()) {
      input.parts = std::move(spare_parts_.back());
      input.parts.clear();
      spare_parts_.pop_back();
    }
    return input;
  }

 private:
  std::vector<std::vector<tensor::TensorView>> spare_parts_;
};

struct RequestDeleter {
  void operator()(InferRequest* request) const {
    if (request->home != nullptr) {
      request->home->Recycle(request);
    } else {
      delete request;
    }
  }
};

using RequestPtr = std::unique_ptr<InferRequest, RequestDeleter>;

// Of all inputs together.
inline size_t InputBytes(const InferRequest& request) {
  size_t bytes = 0;
  for (const InputTensor& input : request.inputs) bytes += input.byte_size;
  return bytes;
}

}  // namespace serving::core
