// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include "base/status.h"
#include "core/model_plan.h"

namespace serving::addon {

// `SequencePlan` of src/addon/model-plan.ts.
base::Result<core::SequencePlan> ReadSequence(Napi::Value value);

}  // namespace serving::addon
