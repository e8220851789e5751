// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include "base/status.h"
#include "core/infer_response.h"
#include "protocol/json_writer.h"

namespace serving::protocol {

// Appends the elements of an output. Fails for FP16 and BF16 unless they are taken and for BYTES
// elements that are no UTF-8; what was appended then is of no use.
base::Status AppendJsonTensor(ResponseWriter& out, const core::OutputTensor& output,
                              std::string_view name, Real16Json real16,
                              JsonForm form = JsonForm::kList);

// Appends `"name":value`.
void AppendJsonParameter(ResponseWriter& out, const core::ResponseParameter& parameter);

// Appends the object of a response's parameters.
void AppendJsonParameters(ResponseWriter& out, const core::ResponseParameters& parameters);

}  // namespace serving::protocol
