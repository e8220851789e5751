// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::model {

// Two requests to the model may differ in shape.
bool HasFreeShapes(const core::ModelPlan& plan);

// Both have the same inputs with the same dimensions once they are filled up, rows aside.
bool HaveSameShapes(const core::ModelPlan& plan, const core::InferRequest& a,
                    const core::InferRequest& b);

}  // namespace serving::model
