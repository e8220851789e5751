// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "core/warmup_plan.h"

namespace serving::model {

// Holds a request against a model's plan and binds its names to slots (engine/validate.h).
using ValidateRequest = base::Status (*)(const core::ModelPlan&, core::InferRequest&);

// The warm-up of one loaded version, for every instance before it serves: those of the load, and
// those that are built later. Nothing of it is counted, no client sees it.
//
// Owns: the samples with the bytes of their files. Their tensors exist while an instance is warmed.
//
// Threads: any, several instances at once.
class Warmup {
 public:
  // `plan` and `backend` outlive the warm-up. `may_run_again`: requests may, once is enough here.
  Warmup(const core::ModelPlan& plan, std::vector<core::WarmupSample> samples,
         const backend::Backend& backend, std::shared_ptr<base::MemoryBudget> budget,
         ValidateRequest validate, bool may_run_again = false)
      : plan_(plan),
        samples_(std::move(samples)),
        backend_(backend),
        budget_(std::move(budget)),
        validate_(validate),
        may_run_again_(may_run_again) {}

  // Runs each sample as often as it says on an instance that nobody else uses: number `index` of
  // the plan. Blocks until each execution has ended and every request of it has its final response.
  //
  // Fails with `failed to run warmup sample 'NAME': …` at the first sample that does, or that
  // poisons the instance; with Triton's words for a sample that is no request of the model, before
  // anything runs; when the budget has no room; and when `is_stopped` says so between executions.
  base::Status Warm(
      backend::Instance& instance, int index,
      const std::function<bool()>& is_stopped = [] { return false; }) const;

 private:
  struct Sample {
    const core::WarmupSample* plan;
    std::vector<base::BufferRef> inputs;  // in the order of its plan
  };

  base::Result<std::vector<Sample>> Prepare() const;
  base::Status Run(const Sample& sample, backend::Instance& instance, int index) const;
  base::Result<core::RequestPtr> MakeRequest(const Sample& sample) const;

  const core::ModelPlan& plan_;
  const std::vector<core::WarmupSample> samples_;
  const backend::Backend& backend_;
  const std::shared_ptr<base::MemoryBudget> budget_;
  const ValidateRequest validate_;
  const bool may_run_again_;
};

}  // namespace serving::model
