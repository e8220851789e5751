// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/counting_sink.h"

#include <utility>

namespace serving::model {
namespace {

using metrics::ResponseOutcome;
using std::chrono::steady_clock;

// Triton's, in milliseconds, where the configuration names none.
constexpr double kFirstResponseBoundsMs[] = {100, 500, 2000, 5000};

ResponseOutcome OutcomeOf(const core::InferResponse& response) {
  if (response.status.code() == base::StatusCode::kCancelled) return ResponseOutcome::kCancel;
  if (!response.status.ok()) return ResponseOutcome::kFail;
  return response.outputs.empty() ? ResponseOutcome::kEmpty : ResponseOutcome::kSuccess;
}

}  // namespace

base::Ref<metrics::ResponseCounters> CountingSink::MakeCounters(
    const core::ModelPlan& plan, const metrics::MetricsOptions& options) {
  if (!plan.decoupled) return nullptr;
  std::optional<std::vector<double>> bounds;
  if (options.histogram_latencies) {
    bounds = plan.first_response_bounds_ms;
    if (bounds->empty())
      bounds->assign(std::begin(kFirstResponseBoundsMs), std::end(kFirstResponseBoundsMs));
  }
  return base::MakeRef<metrics::ResponseCounters>(std::move(bounds));
}

void CountingSink::Wrap(core::InferRequest& request, base::Ref<metrics::ResponseCounters> counters,
                        base::Instant compute_start) {
  request.sink = base::Ref<CountingSink>::Adopt(new CountingSink(
      std::move(request.sink), std::move(counters), request.times.received, compute_start));
}

CountingSink::CountingSink(base::Ref<core::ResponseSink> target,
                           base::Ref<metrics::ResponseCounters> counters, base::Instant received,
                           base::Instant compute_start)
    : target_(std::move(target)),
      counters_(std::move(counters)),
      received_(received),
      compute_start_(compute_start),
      start_(compute_start),
      output_start_(compute_start) {
  ShareCancel(*target_);
}

core::InferResponse* CountingSink::NewResponse() {
  output_start_ = steady_clock::now();
  return target_->NewResponse();
}

base::BufferRef CountingSink::AllocateOutput(uint32_t slot, size_t bytes) {
  return target_->AllocateOutput(slot, bytes);
}

base::Waker* CountingSink::Send(core::InferResponse* response) {
  const base::Instant now = steady_clock::now();
  counters_->Count(index_++, OutcomeOf(*response),
                   {.start = start_, .output_start = output_start_, .end = now}, now - received_);
  start_ = now;
  if (response->is_final && response->times.queued != base::Instant()) {
    // The backend answers by itself: nobody else knows when it ran.
    response->times.compute_start = response->times.input_end = compute_start_;
    response->times.infer_end = output_start_;
    response->times.output_end = now;
  }
  return target_->Send(response);
}

}  // namespace serving::model
