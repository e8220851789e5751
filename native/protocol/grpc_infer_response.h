// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

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

// Writes the prefix and inference.ModelStreamInferResponse: one response of a stream, with the
// parameter `triton_final_response` behind its own. An error (`response.status`, without outputs)
// becomes error_message; it and an empty final name the model without its version, as Triton does.
base::Status WriteGrpcStreamResponse(const core::ModelPlan& plan, const AnswerForm& form,
                                     const core::InferResponse& response, ResponseWriter& out);

// The same for a request that could not be run: the error and the request's id, nothing else.
void WriteGrpcStreamError(std::string_view message, std::string_view id, ResponseWriter& out);

}  // namespace serving::protocol
