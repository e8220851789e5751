// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <vector>

#include "base/status.h"
#include "core/warmup_plan.h"

namespace serving::addon {

// Reads `ModelPlan.warmup` of src/addon/model-plan.ts. JavaScript thread.
base::Result<std::vector<core::WarmupSample>> ReadWarmup(Napi::Value value);

}  // namespace serving::addon
