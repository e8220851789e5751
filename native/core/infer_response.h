// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/status.h"
#include "core/parameters.h"
#include "core/stage_times.h"
#include "tensor/tensor_view.h"

namespace serving::core {

// One output of a response. `owner` keeps the bytes that `view` looks at until the socket wrote
// them; rows of a batch share one owner.
struct OutputTensor {
  uint32_t slot = 0;  // index in ModelPlan::outputs
  tensor::DataType data_type = tensor::DataType::kFp32;
  tensor::Shape shape;  // with the batch dimension where the model has one
  tensor::TensorView view;
  base::BufferRef owner;
  bool is_placed = false;  // the bytes are where the client wanted them, not in the answer
};

class ResponseSink;

// One answer to a request: outputs or an error. Decoupled models give many. A final one without
// outputs, status OK, only says that nothing more comes (the empty final response).
//
// Owned by one room at a time through ResponsePtr; goes home to the sink that made it.
struct InferResponse {
  base::Status status;
  std::vector<OutputTensor> outputs;  // in the order of the plan, as Triton answers
  ResponseParameters parameters;
  StageTimes times;
  bool is_final = false;
  // False: the sender's thread serves others too, so Send does not hold it up while the reader is
  // behind.
  bool may_wait = true;
  ResponseSink* sink = nullptr;   // that made it; set once
  InferResponse* next = nullptr;  // chain of a sink's unsent responses

  bool is_empty_final() const { return is_final && status.ok() && outputs.empty(); }

  void Reset() {
    status = {};
    outputs.clear();
    parameters.clear();
    times = {};
    is_final = false;
    may_wait = true;
    next = nullptr;
  }
};

}  // namespace serving::core
