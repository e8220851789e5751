// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

#include "base/status.h"
#include "core/infer_request.h"
#include "protocol/json_cursor.h"

namespace serving::protocol {

// Takes a member of the request's `parameters` over: a reserved one into its field, any other into
// `request.parameters`. Of two with the same name the first stays. `name` lives in the body or in
// the request's arena.
base::Status TakeHttpParameter(std::string_view name, const JsonValue& value,
                               core::InferRequest& request);

// Takes a member over whatever its name: no name is reserved.
base::Status TakePlainParameter(std::string_view name, const JsonValue& value,
                                core::InferRequest& request);

}  // namespace serving::protocol
