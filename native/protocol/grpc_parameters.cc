// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_parameters.h"

#include <algorithm>
#include <utility>

#include "protocol/pb_wire.h"
#include "protocol/request_parts.h"
#include "protocol/utf8.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads inference.InferParameter into `parameter`; false when it is malformed.
bool ReadValue(std::span<const std::byte> message, GrpcParameter& parameter) {
  WireReader wire(message);
  while (!wire.AtEnd()) {
    const auto tag = wire.ReadTag();
    if (!tag) return false;
    if (tag->Is(3, WireType::kBytes)) {
      const auto text = wire.ReadBytes();
      if (!text || !IsUtf8(AsText(*text))) return false;
      parameter.value = AsText(*text);
    } else if (tag->Is(4, WireType::kFixed64)) {
      const auto number = wire.ReadFixed<double>();
      if (!number) return false;
      parameter.value = *number;
    } else if (tag->type == WireType::kVarint) {
      const auto number = wire.ReadVarint();
      if (!number) return false;
      if (tag->field == 1) parameter.value = *number != 0;
      if (tag->field == 2) parameter.value = static_cast<int64_t>(*number);
      if (tag->field == 5) parameter.value = *number;
    } else if (!wire.Skip(*tag)) {
      return false;
    }
  }
  return true;
}

Status WrongType(std::string_view name, std::string_view expected) {
  return InvalidArgument(
      Join({"invalid value type for '", name, "' parameter, expected ", expected, "."}));
}

Status TakeCorrelationId(const GrpcParameter& parameter, core::InferRequest& request) {
  if (const auto* number = std::get_if<int64_t>(&parameter.value)) {
    request.correlation_id = static_cast<uint64_t>(*number);
    return {};
  }
  const auto* text = std::get_if<std::string_view>(&parameter.value);
  if (text == nullptr) return WrongType(parameter.name, "int64_param or string_param");
  if (text->size() > kMaxTextCorrelationId) return TooLongCorrelationId();
  request.correlation_id = *text;
  return {};
}

Status TakePriority(const GrpcParameter& parameter, core::InferRequest& request) {
  if (const auto* number = std::get_if<uint64_t>(&parameter.value)) {
    request.priority = *number;
    return {};
  }
  const auto* number = std::get_if<int64_t>(&parameter.value);
  if (number == nullptr) return WrongType(parameter.name, "int64_param or uint64_param");
  if (*number < 0) return InvalidArgument("invalid value for 'priority', expected value >= 0.");
  request.priority = static_cast<uint64_t>(*number);
  return {};
}

Status TakeFlag(const GrpcParameter& parameter, bool& flag) {
  const auto* value = std::get_if<bool>(&parameter.value);
  if (value == nullptr) return WrongType(parameter.name, "bool_param");
  flag = *value;
  return {};
}

Status TakeTimeout(const GrpcParameter& parameter, core::InferRequest& request) {
  const auto* number = std::get_if<int64_t>(&parameter.value);
  if (number == nullptr) return WrongType(parameter.name, "int64_param");
  request.timeout_us = static_cast<uint64_t>(*number);
  return {};
}

Status TakeOther(const GrpcParameter& parameter, core::InferRequest& request) {
  core::ParameterValue value;
  if (const auto* flag = std::get_if<bool>(&parameter.value)) {
    value = *flag;
  } else if (const auto* number = std::get_if<int64_t>(&parameter.value)) {
    value = *number;
  } else if (const auto* large = std::get_if<uint64_t>(&parameter.value)) {
    value = *large;
  } else if (const auto* real = std::get_if<double>(&parameter.value)) {
    value = *real;
  } else if (const auto* text = std::get_if<std::string_view>(&parameter.value)) {
    value = *text;
  } else {
    return WrongType(parameter.name, "int64_param, bool_param, or string_param");
  }
  if (core::Parameter* known = FindParameter(request.parameters, parameter.name)) {
    known->value = value;
    return {};
  }
  if (request.parameters.size() == kMaxParameters) return TooManyOf("parameters", kMaxParameters);
  request.parameters.push_back({parameter.name, value});
  return {};
}

Status TakeClassification(const GrpcParameter& parameter, core::WantedOutput& output) {
  const auto* number = std::get_if<int64_t>(&parameter.value);
  if (number == nullptr) {
    return InvalidArgument(
        "invalid value type for 'classification' parameter, expected int64_param");
  }
  if (*number <= 0) {
    return InvalidArgument("invalid value for 'classification' parameter, expected >= 0");
  }
  output.classification = static_cast<uint32_t>(std::min<int64_t>(*number, UINT32_MAX));
  return {};
}

Status WrongTensorType(std::string_view name, std::string_view tensor, std::string_view expected) {
  return InvalidArgument(Join({"invalid value type for '", name, "' parameter for tensor '", tensor,
                               "', expected ", expected, "."}));
}

Status NeedsRegion(std::string_view name, std::string_view tensor) {
  return InvalidArgument(Join({"'", name,
                               "' can not be specified without 'shared_memory_region' parameter "
                               "for tensor '",
                               tensor, "'"}));
}

}  // namespace

std::optional<GrpcParameter> ReadGrpcParameter(std::span<const std::byte> entry) {
  GrpcParameter parameter;
  WireReader wire(entry);
  while (!wire.AtEnd()) {
    const auto tag = wire.ReadTag();
    if (!tag) return std::nullopt;
    if (tag->Is(1, WireType::kBytes)) {
      const auto name = wire.ReadBytes();
      if (!name || !IsUtf8(AsText(*name))) return std::nullopt;
      parameter.name = AsText(*name);
    } else if (tag->Is(2, WireType::kBytes)) {
      const auto value = wire.ReadBytes();
      if (!value || !ReadValue(*value, parameter)) return std::nullopt;
    } else if (!wire.Skip(*tag)) {
      return std::nullopt;
    }
  }
  return parameter;
}

Status TakeRequestParameter(const GrpcParameter& parameter, core::InferRequest& request) {
  const std::string_view name = parameter.name;
  if (name == "sequence_id") return TakeCorrelationId(parameter, request);
  if (name == "sequence_start") return TakeFlag(parameter, request.sequence_start);
  if (name == "sequence_end") return TakeFlag(parameter, request.sequence_end);
  if (name == "priority") return TakePriority(parameter, request);
  if (name == "timeout") return TakeTimeout(parameter, request);
  if (name == "triton_enable_empty_final_response") {
    return TakeFlag(parameter, request.wants_empty_final);
  }
  if (name.starts_with("triton_")) {
    return InvalidArgument(
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following "
        "keys starting with 'triton_' are allowed: triton_enable_empty_final_response");
  }
  return TakeOther(parameter, request);
}

Status TensorParameters::Take(const GrpcParameter& parameter, std::string_view tensor,
                              core::WantedOutput* output) {
  const std::string_view name = parameter.name;
  if (name == "shared_memory_region") {
    region_ = parameter;
    if (std::holds_alternative<std::string_view>(parameter.value)) return {};
    return WrongTensorType(name, tensor, "string_param");
  }
  if (name == "shared_memory_offset") offset_ = parameter;
  if (name == "shared_memory_byte_size") byte_size_ = parameter;
  if (name == "classification" && output != nullptr) return TakeClassification(parameter, *output);
  return {};
}

base::Result<std::optional<RegionRange>> TensorParameters::Finish(std::string_view tensor,
                                                                  bool is_shared_memory_on) const {
  if (!region_) {
    for (const auto& given : {offset_, byte_size_}) {
      if (given) return NeedsRegion(given->name, tensor);
    }
    return std::optional<RegionRange>();
  }
  if (!is_shared_memory_on) return SharedMemoryDisabled();
  RegionRange range{.name = std::get<std::string_view>(region_->value)};
  for (const auto& [given, field] :
       {std::pair(&offset_, &range.offset), std::pair(&byte_size_, &range.byte_size)}) {
    if (!*given) continue;
    const auto* number = std::get_if<int64_t>(&(*given)->value);
    if (number == nullptr) return WrongTensorType((*given)->name, tensor, "int64_param");
    *field = static_cast<uint64_t>(*number);  // negative: larger than any region
  }
  if (byte_size_) return std::optional(range);
  return InvalidArgument(
      Join({"'shared_memory_byte_size' must be specified along with 'shared_memory_region' "
            "parameter for tensor '",
            tensor, "'"}));
}

}  // namespace serving::protocol
