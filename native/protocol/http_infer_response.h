// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/status.h"
#include "core/infer_response.h"
#include "core/model_plan.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Writes the JSON body, and the binary tail where outputs are wanted binary, into a cleared writer.
// `out.json_size()` tells whether a tail follows: then Content-Type is application/octet-stream and
// that number is the value of Inference-Header-Content-Length; else application/json. Outputs go in
// the order of `response.outputs`.
//
// Fails for FP16 and BF16 outputs as JSON, unless `form` takes them, and for BYTES elements that
// are no UTF-8. `response.status` must be OK.
base::Status WriteHttpInferResponse(const core::ModelPlan& plan, const AnswerForm& form,
                                    const core::InferResponse& response, ResponseWriter& out);

}  // namespace serving::protocol
