// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "tensor/tensor_view.h"

namespace serving::core {

// Mirrors src/addon/types.ts; read once per load by addon/plan_reader.

struct TensorPlan {
  tensor::TensorDescriptor tensor;       // dims exclude the batch dimension, -1 is free
  bool optional = false;                 // inputs only
  std::vector<std::string> labels;       // outputs only: classification labels by index
  std::optional<tensor::Shape> reshape;  // dims as the model itself wants them
};

struct BatchingPlan {
  std::vector<int64_t> preferred_batch_sizes;  // ascending, each in 1 … max_batch_size
  base::Nanoseconds max_queue_delay{0};
  bool preserve_ordering = false;
};

// Rules of one queue.
struct QueuePolicy {
  int64_t max_queue_size = 0;            // 0 = unlimited
  base::Nanoseconds default_timeout{0};  // 0 = none
  bool allow_timeout_override = false;   // a request may shorten the timeout
  bool delays_expired = false;           // served after the others instead of refused
};

// The rules of all levels that have none of their own, and of the levels.
struct QueuePlan : QueuePolicy {
  base::StatusCode full_status = base::StatusCode::kUnavailable;
  uint64_t priority_levels = 0;         // 0 = one queue without a number
  uint64_t default_priority_level = 0;  // in 1 … priority_levels
  std::map<uint64_t, QueuePolicy> level_policies;
};

// One validated, complete, immutable model version.
struct ModelPlan {
  std::string name;
  int64_t version = 1;
  std::string backend;
  std::string model_file;                // absolute; empty for backends without one
  int64_t max_batch_size = 0;            // 0 = no batch dimension
  std::vector<TensorPlan> inputs;        // slot i is inputs[i]
  std::vector<TensorPlan> outputs;       // slot i is outputs[i]
  std::optional<BatchingPlan> batching;  // absent = direct scheduler
  QueuePlan queue;
  int32_t instance_count = 1;
  bool decoupled = false;
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::string> metric_tags;
  // Bounds of nv_inference_first_response_histogram_ms, ascending; empty = Triton's.
  std::vector<double> first_response_bounds_ms;
};

}  // namespace serving::core
