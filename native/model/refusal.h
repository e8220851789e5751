// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <vector>

#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::model {

// A request that will not run, and why.
struct Refusal {
  core::RequestPtr request;
  base::Status status;
};

// Answers with the status, in Triton's form: the request's id first. Not under a lock.
void SendRefusal(const Refusal& refusal);
// The same for each, and empties the list.
void SendRefusals(std::vector<Refusal>& refusals);

// Triton's words.
base::Status SchedulerHasStopped();
base::Status QueueIsFull(const core::QueuePlan& queue);

}  // namespace serving::model
