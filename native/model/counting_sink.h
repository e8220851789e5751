// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/clock.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "core/response_sink.h"
#include "metrics/metrics_options.h"
#include "metrics/response_counters.h"

namespace serving::model {

// Stands before the sink of a request to a decoupled model and counts each response before it is
// sent, so that a client which has it sees it counted.
//
// Threads: as ResponseSink. Owns a reference to both; the model may be gone.
class CountingSink final : public core::ResponseSink {
 public:
  // Counters for a decoupled model; null for any other.
  static base::Ref<metrics::ResponseCounters> MakeCounters(const core::ModelPlan& plan,
                                                           const metrics::MetricsOptions& options);

  // Puts itself between a request that is about to run and its sink.
  static void Wrap(core::InferRequest& request, base::Ref<metrics::ResponseCounters> counters,
                   base::Instant compute_start);

  core::InferResponse* NewResponse() override;
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override;
  base::Waker* Send(core::InferResponse* response) override;
  void AwaitRoom() override { target_->AwaitRoom(); }

 private:
  CountingSink(base::Ref<core::ResponseSink> target, base::Ref<metrics::ResponseCounters> counters,
               base::Instant received, base::Instant compute_start);

  const base::Ref<core::ResponseSink> target_;
  const base::Ref<metrics::ResponseCounters> counters_;
  const base::Instant received_;
  const base::Instant compute_start_;
  // One producer at a time.
  base::Instant start_;         // of the next response
  base::Instant output_start_;  // when it was made
  size_t index_ = 0;            // of the next response
};

}  // namespace serving::model
