// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include "base/status.h"
#include "core/infer_response.h"
#include "core/model_plan.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Writes one answer of generate into a cleared writer: one JSON object of `id` (unless empty), the
// model's name and version, each parameter and each output by its name, an output as a value where
// it has one element, else as a flat list. `response.status` must be OK.
//
// Fails for outputs that JSON cannot carry, as the infer answer does.
base::Status WriteGenerateResponse(const core::ModelPlan& plan, std::string_view id,
                                   const core::InferResponse& response, ResponseWriter& out,
                                   Real16Json real16 = Real16Json::kRefused);

}  // namespace serving::protocol
