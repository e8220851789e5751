// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/inline_costs.h"

#include <algorithm>
#include <cstring>

#include "base/memory_budget.h"
#include "model/execution.h"

namespace serving::model {
namespace {

using base::Instant;
using base::Nanoseconds;
using std::chrono::steady_clock;

// A batch size runs on the I/O thread if it was measured to take less than this.
constexpr Nanoseconds kInlineLimit = std::chrono::microseconds(200);
constexpr size_t kMaxMeasuredInputBytes = 1 << 20;
constexpr int kMeasuredRuns = 5;

// Throws measured answers away.
class MeasuringSink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return new core::InferResponse; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(core::InferResponse* response) override {
    ok = response->status.ok();
    delete response;
    return nullptr;
  }
  bool ok = false;
};

class MeasuringListener final : public ExecutionListener {
 public:
  void OnExecuted(int, const base::Status&, bool) override {}
};

// A request of zeros (empty strings for BYTES), free dimensions 1; null when it would be too large
// to measure.
core::RequestPtr MakeZeroRequest(const core::ModelPlan& plan, int64_t rows,
                                 base::BufferAllocator& allocator) {
  core::RequestPtr request(new core::InferRequest);
  request->batch_size = rows;
  for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
    core::InputTensor& input = request->AddInput();
    input.slot = slot;
    input.data_type = plan.inputs[slot].tensor.data_type;
    if (plan.max_batch_size > 0) input.shape.Append(rows);
    for (const int64_t dim : plan.inputs[slot].tensor.dims.dims()) {
      if (!input.shape.Append(std::max<int64_t>(dim, 1))) return nullptr;
    }
    const auto elements = input.shape.ElementCount();
    const bool is_bytes = input.data_type == tensor::DataType::kBytes;
    const size_t element_size = is_bytes ? 4 : tensor::ByteSize(input.data_type);
    if (!elements || static_cast<uint64_t>(*elements) > kMaxMeasuredInputBytes / element_size) {
      return nullptr;
    }
    input.byte_size = static_cast<size_t>(*elements) * element_size;
    base::BufferRef buffer = allocator.Allocate(input.byte_size);
    if (!buffer) return nullptr;
    std::memset(buffer->data(), 0, input.byte_size);
    input.parts.push_back({.data = buffer->data(), .size = input.byte_size});
    request->kept.push_back(std::move(buffer));
  }
  return request;
}

// Median of a few runs after a cold one; nothing when the model does not run on zeros.
base::Result<std::optional<Nanoseconds>> MeasureBatch(const core::ModelPlan& plan,
                                                      backend::Instance& instance, int64_t rows) {
  auto pool = base::MakeRef<device::HostPool>(
      std::make_shared<base::MemoryBudget>(kMaxMeasuredInputBytes * (plan.inputs.size() + 1)));
  auto budget = std::make_shared<base::MemoryBudget>(SIZE_MAX / 2);
  MeasuringListener listener;
  Execution execution(plan, 0, 1, budget, &listener);
  auto sink = base::MakeRef<MeasuringSink>();
  std::vector<Nanoseconds> runs;
  for (int run = 0; run <= kMeasuredRuns; ++run) {
    core::RequestPtr request = MakeZeroRequest(plan, rows, *pool);
    if (!request) return std::optional<Nanoseconds>();
    request->sink = sink;
    execution.Add(std::move(request));
    const Instant start = steady_clock::now();
    execution.Run(instance, start);
    const Nanoseconds took = steady_clock::now() - start;
    execution.Deliver();
    if (const std::string poison = execution.TakePoison(); !poison.empty()) {
      return base::Internal("an instance of model '" + plan.name +
                            "' was poisoned by a batch of zeros: " + poison);
    }
    if (!sink->ok) return std::optional<Nanoseconds>();
    if (run > 0) runs.push_back(took);
  }
  std::ranges::sort(runs);
  return std::optional(runs[runs.size() / 2]);
}

}  // namespace

base::Result<InlineCosts> InlineCosts::Measure(const core::ModelPlan& plan,
                                               backend::Instance& instance) {
  InlineCosts measured;
  for (int64_t rows = 1;; rows = std::min(rows * 2, plan.max_batch_size)) {
    ASSIGN_OR_RETURN(const auto cost, MeasureBatch(plan, instance, rows));
    if (!cost || *cost >= kInlineLimit) break;
    measured.costs_.emplace_back(rows, *cost);
    if (rows >= plan.max_batch_size) break;
  }
  return measured;
}

std::optional<Nanoseconds> InlineCosts::Of(int64_t rows) const {
  const auto cost =
      std::ranges::lower_bound(costs_, rows, {}, &std::pair<int64_t, Nanoseconds>::first);
  if (cost == costs_.end()) return std::nullopt;
  return cost->second;
}

}  // namespace serving::model
