// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "trace/step_records.h"

#include <utility>

namespace serving::trace {

void StepRecords::Add(std::unique_ptr<Record> record) {
  const size_t bytes = record->ByteSize();
  std::lock_guard lock(mutex_);
  if (is_over_) return;
  if (bytes > kMaxBytes - bytes_) {
    ++taken_.dropped;
    return;
  }
  bytes_ += bytes;
  taken_.records.push_back(std::move(record));
}

StepRecords::Taken StepRecords::Take() {
  std::lock_guard lock(mutex_);
  is_over_ = true;
  return std::exchange(taken_, {});
}

base::Ref<core::RequestObserver> StepTracer::OnStep(const core::ModelPlan& plan,
                                                    const core::InferRequest& request) {
  auto record = std::make_unique<Record>(origin_);
  record->Add(Moment::kRequestStart, request.times.received);
  record->NoteRequest(plan, request);
  return base::MakeRef<StepTracer>(std::move(record), records_);
}

void StepTracer::OnResponse(const core::ModelPlan& plan, const core::InferResponse& response) {
  if (!own_) return;
  own_->NoteResponse(plan, response);
  if (!response.is_final) return;
  own_->Add(Moment::kRequestEnd, std::chrono::steady_clock::now());
  records_->Add(std::move(own_));
}

}  // namespace serving::trace
