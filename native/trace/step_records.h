// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ref.h"
#include "core/request_observer.h"
#include "trace/record.h"

namespace serving::trace {

// The records of all steps below one traced request to an ensemble. Bounded as a whole: what does
// not fit is dropped and counted.
//
// Threads: any.
class StepRecords final : public base::RefCounted {
 public:
  static constexpr size_t kMaxBytes = 16 << 20;

  void Add(std::unique_ptr<Record> record);

  struct Taken {
    std::vector<std::unique_ptr<Record>> records;  // in the order in which they were done
    uint64_t dropped = 0;
  };
  // Once; what comes later is nobody's.
  Taken Take();

 private:
  std::mutex mutex_;
  Taken taken_;           // guarded by mutex_
  size_t bytes_ = 0;      // guarded by mutex_
  bool is_over_ = false;  // guarded by mutex_
};

// Records the steps of an ensemble as children of the record of its request, and so on for
// ensembles among them.
class StepTracer final : public core::RequestObserver {
 public:
  // For the request that `parent` is of.
  StepTracer(const Record& parent, base::Ref<StepRecords> records)
      : origin_(parent.origin()), records_(std::move(records)) {}
  // For a step.
  StepTracer(std::unique_ptr<Record> own, base::Ref<StepRecords> records)
      : origin_(own->origin()), own_(std::move(own)), records_(std::move(records)) {}

  base::Ref<core::RequestObserver> OnStep(const core::ModelPlan& plan,
                                          const core::InferRequest& request) override;
  void OnResponse(const core::ModelPlan& plan, const core::InferResponse& response) override;

 private:
  const Record::Origin origin_;
  std::unique_ptr<Record> own_;  // null: another's, or done
  const base::Ref<StepRecords> records_;
};

}  // namespace serving::trace
