// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/splitter.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "model/split_request.h"

namespace serving::model {
namespace {

using metrics::FailureReason;
using metrics::ModelStatistics;

// A part that has run was failed by the backend.
FailureReason ReasonOf(const base::Status& status, const core::StageTimes& times) {
  if (times.compute_start != base::Instant()) return FailureReason::kBackend;
  switch (status.code()) {
    case base::StatusCode::kCancelled:
    case base::StatusCode::kDeadlineExceeded:
      return FailureReason::kCanceled;
    default:
      return FailureReason::kRejected;
  }
}

// The durations that are counted request by request.
constexpr metrics::Duration ModelStatistics::* kDurations[] = {
    &ModelStatistics::success,       &ModelStatistics::fail,
    &ModelStatistics::queue,         &ModelStatistics::compute_input,
    &ModelStatistics::compute_infer, &ModelStatistics::compute_output,
};

// counters = counters - parts + wholes
void CountWholes(ModelStatistics& counters, const ModelStatistics& parts,
                 const ModelStatistics& wholes) {
  counters.received += wholes.received - parts.received;
  counters.pending += wholes.pending - parts.pending;
  for (size_t i = 0; i < std::size(counters.failures); ++i) {
    counters.failures[i] += wholes.failures[i] - parts.failures[i];
  }
  for (const auto duration : kDurations) {
    (counters.*duration).count += (wholes.*duration).count - (parts.*duration).count;
    (counters.*duration).ns += (wholes.*duration).ns - (parts.*duration).ns;
  }
}

}  // namespace

Splitter::Splitter(base::Ref<Model> model, std::shared_ptr<base::MemoryBudget> budget)
    : Servable(model->plan()), model_(std::move(model)), budget_(std::move(budget)) {}

Splitter::~Splitter() { Stop(); }

void Splitter::Submit(RequestChain chain, InlineAllowance* allowance) {
  RequestChain passed;
  while (!chain.empty()) {
    core::RequestPtr request = chain.TakeFirst();
    if (request->batch_size > plan_.max_batch_size) {
      AppendParts(std::move(request), passed);
    } else {
      passed.Append(std::move(request));
    }
  }
  model_->Submit(std::move(passed), allowance);
}

void Splitter::AppendParts(core::RequestPtr request, RequestChain& chain) {
  request->times.queued = std::chrono::steady_clock::now();
  const core::ResponseSink* sink = request->sink.get();
  const auto split = base::MakeRef<SplitRequest>(*this, std::move(request));
  RequestChain parts = split->MakeParts(plan_.max_batch_size);
  {
    std::lock_guard lock(mutex_);
    requests_.emplace(sink, split.get());
    ++wholes_.received;
    ++wholes_.pending;
  }
  chain.Append(parts);
}

size_t Splitter::Window() const {
  if (plan_.batching && plan_.batching->preserve_ordering) return SIZE_MAX;
  return 2 * std::max<size_t>(model_->CountServing(), 1);
}

bool Splitter::RemoveQueued(const core::ResponseSink* sink, base::Status status,
                            FailureReason reason) {
  base::Ref<SplitRequest> split;
  {
    std::lock_guard lock(mutex_);
    const auto found = requests_.find(sink);
    if (found != requests_.end()) split = base::Ref<SplitRequest>::Share(found->second);
  }
  if (split) return split->RemoveQueued(status, reason);
  return model_->RemoveQueued(sink, std::move(status), reason);
}

void Splitter::CountEnd(const SplitRequest& request, const Ended& ended) {
  const core::StageTimes& times = ended.times;
  const base::Instant queued = request.whole().times.queued;
  if (ended.status.ok()) {
    model_->MeasureWhole({times.output_end - times.received, times.compute_start - queued,
                          ended.input, ended.infer, ended.output},
                         times.output_end);
  }
  std::lock_guard lock(mutex_);
  requests_.erase(request.whole().sink.get());
  --wholes_.pending;
  if (!ended.status.ok()) {
    ++wholes_.failures[static_cast<size_t>(ReasonOf(ended.status, times))];
    wholes_.fail.Add(std::chrono::steady_clock::now() - queued);
    return;
  }
  wholes_.success.Add(times.output_end - times.received);
  wholes_.queue.Add(times.compute_start - queued);
  wholes_.compute_input.Add(ended.input);
  wholes_.compute_infer.Add(ended.infer);
  wholes_.compute_output.Add(ended.output);
}

ModelStatistics Splitter::Statistics() const {
  ModelStatistics parts;
  ModelStatistics counters = model_->Statistics(&parts);
  std::lock_guard lock(mutex_);
  CountWholes(counters, parts, wholes_);
  return counters;
}

}  // namespace serving::model
