// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/status.h"
#include "core/infer_response.h"
#include "core/model_plan.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Writes the 5-byte gRPC prefix and inference.ModelInferResponse into a cleared writer. Outputs go
// in the order of `response.outputs`, all as raw_output_contents. Fails when the message would pass
// INT32_MAX bytes. `response.status` must be OK.
base::Status WriteGrpcInferResponse(const core::ModelPlan& plan, const AnswerForm& form,
                                    const core::InferResponse& response, ResponseWriter& out);

}  // namespace serving::protocol
