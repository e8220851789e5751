// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/generate_response.h"

#include <span>

#include "protocol/json_output.h"
#include "protocol/json_writer.h"

namespace serving::protocol {

base::Status WriteGenerateResponse(const core::ModelPlan& plan, std::string_view id,
                                   const core::InferResponse& response, ResponseWriter& out,
                                   Real16Json real16) {
  out.Append("{");
  if (!id.empty()) {
    out.Append("\"id\":");
    AppendJsonString(out, id);
    out.Append(",");
  }
  out.Append("\"model_name\":");
  AppendJsonString(out, plan.name);
  out.Append(",\"model_version\":\"");
  out.Commit(WriteJsonNumber(plan.version, out.Reserve(kMaxNumberChars)));
  out.Append("\"");
  for (const core::ResponseParameter& parameter : response.parameters) {
    out.Append(",");
    AppendJsonParameter(out, parameter);
  }
  for (const core::OutputTensor& output : response.outputs) {
    const std::string_view name = plan.outputs[output.slot].tensor.name;
    out.Append(",");
    AppendJsonString(out, name);
    out.Append(":");
    const auto form = output.shape.ElementCount() == 1 ? JsonForm::kValue : JsonForm::kList;
    RETURN_IF_ERROR(AppendJsonTensor(out, output, name, real16, form));
  }
  out.Append("}");
  return {};
}

}  // namespace serving::protocol
