// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <span>

#include "backend/backend.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "core/warmup_plan.h"

namespace serving::model {

// Holds a request against a model's plan and binds its names to slots (engine/validate.h).
using ValidateRequest = base::Status (*)(const core::ModelPlan&, core::InferRequest&);

// Runs the model's warm-up samples on its instances, each as often as it says. Nothing of it is
// counted, no client sees it.
//
// Threads: one at a time, before the instances are used otherwise. Blocks until each execution has
// ended and every request of it has its final response.
class Warmup {
 public:
  // `plan` and `samples` outlive the warm-up. Fails with Triton's words for a sample that is no
  // request of the model, or when the budget has no room for its tensors.
  static base::Result<Warmup> Prepare(const core::ModelPlan& plan,
                                      std::span<const core::WarmupSample> samples,
                                      std::shared_ptr<base::MemoryBudget> budget,
                                      ValidateRequest validate);

  // Fails with `failed to run warmup sample 'NAME': …` at the first sample that does.
  base::Status Run(backend::Backend& backend, backend::Instance& instance, int index) const;

 private:
  struct Sample {
    const core::WarmupSample* plan;
    std::vector<base::BufferRef> inputs;  // in the order of its plan
  };

  Warmup(const core::ModelPlan& plan, std::shared_ptr<base::MemoryBudget> budget,
         ValidateRequest validate)
      : plan_(plan), budget_(std::move(budget)), validate_(validate) {}

  base::Result<core::RequestPtr> MakeRequest(const Sample& sample) const;

  const core::ModelPlan& plan_;
  std::shared_ptr<base::MemoryBudget> budget_;
  ValidateRequest validate_;
  std::vector<Sample> samples_;
};

}  // namespace serving::model
