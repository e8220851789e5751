// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_parameters.h"

#include "protocol/json_access.h"
#include "protocol/json_number.h"
#include "protocol/request_parts.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;

Status TakeCorrelationId(const JsonValue& value, core::InferRequest& request) {
  if (const auto number = AsUnsigned(ReadJsonNumber(value.text()))) {
    request.correlation_id = *number;
    return {};
  }
  if (!value.is_string()) return Unable("sequence_id", Access::kString);
  const std::string_view text = JsonText(value, request.arena);
  if (text.size() > kMaxTextCorrelationId) return TooLongCorrelationId();
  request.correlation_id = text;
  return {};
}

}  // namespace

Status TakePlainParameter(std::string_view name, const JsonValue& value,
                          core::InferRequest& request) {
  if (FindParameter(request.parameters, name) != nullptr) return {};
  if (request.parameters.size() == kMaxParameters) return TooManyOf("parameters", kMaxParameters);
  core::Parameter parameter{name, false};
  if (value.is_string()) {
    parameter.value = JsonText(value, request.arena);
  } else if (const auto number = ReadJsonNumber(value.text())) {
    std::visit([&](auto real) { parameter.value = real; }, *number);
  } else if (value.text() == "true" || value.text() == "false") {
    parameter.value = value.text() == "true";
  } else {
    return InvalidArgument(Join({"parameter '", name,
                                 "' has invalid type. It should be either 'int', 'bool', or "
                                 "'string'."}));
  }
  request.parameters.push_back(parameter);
  return {};
}

Status TakeHttpParameter(std::string_view name, const JsonValue& value,
                         core::InferRequest& request) {
  if (name == "sequence_id") return TakeCorrelationId(value, request);
  if (name == "sequence_start") return TakeJsonFlag(name, value, request.sequence_start);
  if (name == "sequence_end") return TakeJsonFlag(name, value, request.sequence_end);
  if (name == "priority") return TakeJsonUnsigned(name, value, request.priority);
  if (name == "timeout") return TakeJsonUnsigned(name, value, request.timeout_us);
  if (name == "binary_data_output") return TakeJsonFlag(name, value, request.binary_by_default);
  if (name.starts_with("triton_")) {
    return InvalidArgument(
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
        "specified.");
  }
  return TakePlainParameter(name, value, request);
}

}  // namespace serving::protocol
