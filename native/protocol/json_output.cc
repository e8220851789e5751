// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_output.h"

#include <span>
#include <string>
#include <utility>
#include <variant>

#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {

using tensor::DataType;

namespace {

struct ValueAppender {
  ResponseWriter& out;

  void operator()(bool flag) const { out.Append(flag ? "true" : "false"); }
  void operator()(const std::string& text) const { AppendJsonString(out, text); }
  template <typename Number>
  void operator()(Number number) const {
    out.Commit(WriteJsonNumber(number, out.Reserve(kMaxNumberChars)));
  }
};

}  // namespace

void AppendJsonParameter(ResponseWriter& out, const core::ResponseParameter& parameter) {
  AppendJsonString(out, parameter.name);
  out.Append(":");
  std::visit(ValueAppender{out}, parameter.value);
}

void AppendJsonParameters(ResponseWriter& out, const core::ResponseParameters& parameters) {
  std::string_view before = "{";
  for (const core::ResponseParameter& parameter : parameters) {
    out.Append(std::exchange(before, ","));
    AppendJsonParameter(out, parameter);
  }
  out.Append(parameters.empty() ? "{}" : "}");
}

base::Status AppendJsonTensor(ResponseWriter& out, const core::OutputTensor& output,
                              std::string_view name, Real16Json real16, JsonForm form) {
  const std::span<const std::byte> data(output.view.data, output.view.size);
  if (tensor::IsReal16(output.data_type) && real16 == Real16Json::kRefused) {
    return base::InvalidArgument(
        Join({"sending ", tensor::WireName(output.data_type),
              " data via JSON is not supported. Please use the binary data format for output"}));
  }
  if (output.data_type != DataType::kBytes) {
    AppendJsonNumbers(out, output.data_type, data, form);
    return {};
  }
  if (AppendJsonBytes(out, data, form)) return {};
  return base::InvalidArgument(Join({"output '", name,
                                     "' has elements that are not UTF-8 and can not be sent via "
                                     "JSON. Please use the binary data format for output"}));
}

}  // namespace serving::protocol
