// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_response.h"
#include "core/model_plan.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Turns each output that `form` wants classified into BYTES of shape [batch,] k: the k
// largest values of each row, largest first, as `value:index[:label]`; fewer where a row has fewer.
// Others are left alone. Before writing. Fails for types that have no order here (BOOL, BYTES,
// FP16, BF16) and when the memory budget is full.
base::Status ClassifyOutputs(const core::ModelPlan& plan, const AnswerForm& form,
                             base::BufferAllocator& allocator, core::InferResponse& response);

}  // namespace serving::protocol
