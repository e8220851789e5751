// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::model {

// Why a request of a sequence will not run. The first four are Triton's words.
base::Status NeedsId(const core::ModelPlan& plan);
base::Status NeedsStart(const core::ModelPlan& plan, const core::InferRequest& request);
base::Status NeedsOneRow(const core::ModelPlan& plan);
base::Status SequenceTimedOut();
// Another request of its sequence was lost.
base::Status SequenceHasEnded(const core::ModelPlan& plan, const core::InferRequest& request);
base::Status StateIsLost(const core::ModelPlan& plan);

// The request's id first, as Triton has it.
base::Status WithId(const core::InferRequest& request, const base::Status& status);

}  // namespace serving::model
