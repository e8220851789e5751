// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include "backend/backend.h"
#include "base/status.h"
#include "core/model_plan.h"

namespace serving::backend {

// As many outputs as inputs, of the same types and dimensions; InvalidArgument otherwise. `backend`
// begins the text.
base::Status CheckOutputsAreInputs(std::string_view backend, const core::ModelPlan& plan);

// Output i is input i: the same bytes, no copy. InvalidArgument when the input of a wanted output
// is missing.
base::Status CopyInputs(std::string_view backend, Batch& batch);

}  // namespace serving::backend
