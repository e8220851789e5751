// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

#include "core/infer_request.h"
#include "core/model_plan.h"
#include "core/warmup_plan.h"

namespace serving::model {

// A warm-up runs as the first request of a sequence without an id: adds the controls and states
// that the sample does not bring itself. (Triton adds none, so that its backends run without.)
void AddSequenceInputs(const core::SequencePlan& sequence, core::WarmupSample& sample);

// The shape of a control, without rows.
tensor::Shape OneControl();

// What the control CORRID of that type holds for a sequence; 0 or an empty text without an id.
std::string CorrelationElement(const core::CorrelationId& id, tensor::DataType type);

}  // namespace serving::model
