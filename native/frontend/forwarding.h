// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/pattern.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "net/exchange.h"

namespace serving::frontend {

// Headers of one infer call that become parameters of its request: names and values.
using ForwardedHeaders = std::vector<std::pair<std::string, std::string>>;

// The headers whose names the pattern finds: of HTTP as they were written and in their order, of
// gRPC in the order of their names, `-bin` values decoded.
ForwardedHeaders HeadersToForward(const net::RequestHead& head, const base::Pattern& pattern,
                                  bool is_grpc);

// InvalidArgument when a header would be a parameter that has a meaning of its own.
base::Status CheckForwarded(const ForwardedHeaders& headers);

// Behind the parameters the request has; the texts live in its arena.
void AddForwarded(const ForwardedHeaders& headers, core::InferRequest& request);

}  // namespace serving::frontend
