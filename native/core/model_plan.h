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
#include "core/warmup_plan.h"
#include "tensor/tensor_view.h"

namespace serving::core {

// Mirrors src/addon/model-plan.ts; read once per load by addon/plan_reader.

// One free dimension of an input, filled up so that requests of different sizes share a batch.
struct PaddingPlan {
  uint32_t axis = 0;              // without the rows
  std::vector<int64_t> buckets;   // sizes to fill up to, ascending; what is larger stays as it is
  double value = 0;               // of the added elements; strings are empty
  int64_t max_waste_percent = 0;  // of the filled up tensor, in 1 … 99; beyond it stays as it is
};

// An output that has the padded dimension of an input: each request gets it at its own size.
struct UnpaddingPlan {
  uint32_t axis = 0;   // of the output, without the rows
  uint32_t input = 0;  // slot of an input with padding
};

struct TensorPlan {
  tensor::TensorDescriptor tensor;       // dims exclude the batch dimension, -1 is free
  bool optional = false;                 // inputs only
  std::vector<std::string> labels;       // outputs only: classification labels by index
  std::optional<tensor::Shape> reshape;  // dims as the model itself wants them
  // Inputs only: requests of any shapes share a batch; the model gets the elements of all of them
  // in one dimension.
  bool is_ragged = false;
  // Outputs only: the input whose shapes say which part of the output is whose; its free
  // dimensions are those of that input.
  std::optional<uint32_t> scattered_by;
  std::optional<PaddingPlan> padding;      // inputs only
  std::optional<UnpaddingPlan> unpadding;  // outputs only
};

enum class BatchInputKind : uint8_t {
  kElementCount,                     // [requests]: elements of each
  kAccumulatedElementCount,          // [requests]: of each and those before it
  kAccumulatedElementCountWithZero,  // [requests + 1]: the same after a 0
  kMaxElementCountAsShape,           // [most elements of a request]: only the shape says something
  kItemShape,                        // [rows, rank without rows]: the dimensions of each row
  kItemShapeFlatten,                 // the same in one dimension
};

// A tensor that the server makes for the model from the batch; no request has it.
struct BatchInputPlan {
  BatchInputKind kind = BatchInputKind::kElementCount;
  std::string name;
  tensor::DataType data_type = tensor::DataType::kInt32;  // or kFp32
  uint32_t source = 0;                                    // slot of the input it tells about
};

struct BatchingPlan {
  std::vector<int64_t> preferred_batch_sizes;  // ascending, each in 1 … max_batch_size
  base::Nanoseconds max_queue_delay{0};
  bool preserve_ordering = false;
  // Set by a latency target only: so many rows do not wait for more (0 = no such size), and a batch
  // starts so long before the first of it expires.
  int64_t enough_rows = 0;
  base::Nanoseconds run_time{0};
};

// Batches are chosen from what is measured; the fields above are bounds.
struct LatencyTargetPlan {
  base::Nanoseconds target{0};
  bool has_preferred_sizes = false;  // those of the plan are the only ones to wait for
};

// Rules of one queue.
struct QueuePolicy {
  int64_t max_queue_size = 0;            // 0 = unlimited
  base::Nanoseconds default_timeout{0};  // 0 = none
  bool allow_timeout_override = false;   // a request may shorten the timeout
  bool delays_expired = false;           // served after the others instead of refused
};

// The levels 1 to 3 are classes of load: interactive, standard (the default), background.
struct ClassesPlan {
  base::Nanoseconds ageing{0};  // who has waited for so long moves up by a class
  int64_t max_queue_size = 0;   // of all classes together; 0 = unlimited
};

// The rules of all levels that have none of their own, and of the levels.
struct QueuePlan : QueuePolicy {
  base::StatusCode full_status = base::StatusCode::kUnavailable;
  uint64_t max_queue_bytes = 0;         // of the inputs of all that wait; 0 = unlimited
  bool predicts_wait = false;           // refuses at once what would expire in the queue
  uint64_t priority_levels = 0;         // 0 = one queue without a number
  uint64_t default_priority_level = 0;  // in 1 … priority_levels
  std::map<uint64_t, QueuePolicy> level_policies;
  std::optional<ClassesPlan> classes;
};

// An input that tells a model where in its sequence a request is. One number for each row.
struct SequenceControl {
  enum class Kind : uint8_t { kStart, kEnd, kReady, kCorrelationId };
  Kind kind = Kind::kStart;
  std::string name;
  tensor::DataType data_type = tensor::DataType::kInt32;
  std::string false_bytes;  // one element; both empty for kCorrelationId
  std::string true_bytes;
};

// What a model hands from one request of a sequence to the next: the output of the one is the input
// of the other.
struct SequenceState {
  std::string input;
  std::string output;
  tensor::DataType data_type = tensor::DataType::kFp32;
  tensor::Shape dims;          // without the batch dimension, -1 is free
  tensor::Shape initial_dims;  // of the first request; none is free
  std::string initial_bytes;   // of these dimensions
};

// How the requests of sequences are served. Its tensors are the model's, not the client's.
struct SequencePlan {
  // A sequence keeps its row of an instance's batches; else requests of different sequences batch
  // as they come, by `batching`.
  bool is_direct = true;
  uint32_t slots = 1;  // sequences that an instance serves at once; of `is_direct`, its rows
  base::Nanoseconds max_idle = std::chrono::seconds(1);
  // Direct: a batch waits so long for that share of its rows.
  base::Nanoseconds max_queue_delay{0};
  double minimum_slot_utilization = 0;
  bool is_iterative = false;  // every request is a sequence; the backend may run it again
  std::vector<SequenceControl> controls;
  std::vector<SequenceState> states;
};

// A resource that an instance holds while it runs, under a rate limiter.
struct ResourceNeed {
  std::string name;
  bool is_global = false;  // else of its device
  uint64_t count = 0;
};

struct InstanceLimit {
  uint32_t priority = 1;                  // n runs a n-th as often as 1
  std::vector<ResourceNeed> resources{};  // none: it asks nobody
};

// One step of an ensemble: a request to another model, made from tensors of the graph.
struct EnsembleStepPlan {
  // `name` of the step's model ↔ index in EnsemblePlan::tensors.
  struct Link {
    std::string name;
    uint32_t tensor = 0;
  };
  std::string model;
  std::vector<Link> inputs;
  std::vector<Link> outputs;
};

// A fixed graph of steps. Each tensor but the ensemble's inputs has one step that makes it; it may
// have many that read it.
struct EnsemblePlan {
  std::vector<std::string> tensors;  // names
  std::vector<uint32_t> inputs;      // by slot of the plan: index in `tensors`
  std::vector<uint32_t> outputs;     // by slot of the plan: index in `tensors`
  std::vector<EnsembleStepPlan> steps;
  int64_t max_inflight_requests = 0;  // of one step, over all requests; 0 = unlimited
  size_t max_inflight_bytes = 0;      // of tensors between steps; 0 = unlimited
};

// One validated, complete, immutable model version.
struct ModelPlan {
  std::string name;
  int64_t version = 1;
  std::string backend;
  std::string model_file;      // absolute; empty for backends without one
  int64_t max_batch_size = 0;  // 0 = no batch dimension
  // Requests of more rows than max_batch_size, up to this many, are split; 0 = they are refused.
  int64_t max_request_rows = 0;
  std::vector<TensorPlan> inputs;   // slot i is inputs[i]
  std::vector<TensorPlan> outputs;  // slot i is outputs[i]
  // The backend sees batch_inputs[i] as slot inputs.size() + i.
  std::vector<BatchInputPlan> batch_inputs;
  std::optional<BatchingPlan> batching;             // absent = direct scheduler
  std::optional<LatencyTargetPlan> latency_target;  // only with batching
  QueuePlan queue;
  std::optional<SequencePlan> sequence;  // present: its requests belong to sequences
  std::optional<EnsemblePlan> ensemble;  // present: runs nothing itself, has no backend
  int32_t instance_count = 1;
  std::vector<InstanceLimit> instance_limits;  // empty, or one for each instance
  bool decoupled = false;
  bool response_cache = false;  // answers may come from the response cache, where there is one
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::string> metric_tags;
  // Bounds of nv_inference_first_response_histogram_ms, ascending; empty = Triton's.
  std::vector<double> first_response_bounds_ms;
  std::vector<WarmupSample> warmup;  // moved to model::Warmup by the load
};

}  // namespace serving::core
