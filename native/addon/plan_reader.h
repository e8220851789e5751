// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <vector>

#include "base/status.h"
#include "core/model_plan.h"
#include "engine/dispatch_table.h"
#include "engine/engine.h"

namespace serving::addon {

// ModelPlan of src/addon/model-plan.ts.
base::Result<core::ModelPlan> ReadPlan(Napi::Value value);

// An array of Adjustment of src/addon/types.ts.
base::Result<std::vector<engine::Engine::Adjustment>> ReadAdjustments(Napi::Value value);

// DispatchTable of src/addon/dispatch-table.ts; handles must be loaded.
base::Result<engine::DispatchTableRef> ReadTable(Napi::Value value, const engine::Engine& engine);

}  // namespace serving::addon
