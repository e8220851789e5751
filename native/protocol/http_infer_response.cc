// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_infer_response.h"

#include <cstdint>
#include <string_view>

#include "protocol/json_output.h"
#include "protocol/json_writer.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::Status;

void AppendNumber(ResponseWriter& out, int64_t number) {
  out.Commit(WriteJsonNumber(number, out.Reserve(kMaxNumberChars)));
}

bool IsBinary(const AnswerForm& form, uint32_t slot) {
  if (form.wanted.empty()) return form.binary_by_default;
  for (const core::WantedOutput& wanted : form.wanted) {
    if (wanted.slot == slot) return wanted.binary;
  }
  return false;
}

void AppendShape(ResponseWriter& out, const tensor::Shape& shape) {
  out.Append("[");
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    if (axis != 0) out.Append(",");
    AppendNumber(out, shape[axis]);
  }
  out.Append("]");
}

}  // namespace

Status WriteHttpInferResponse(const core::ModelPlan& plan, const AnswerForm& form,
                              const core::InferResponse& response, ResponseWriter& out) {
  out.Append("{");
  if (!form.id.empty()) {
    out.Append("\"id\":");
    AppendJsonString(out, form.id);
    out.Append(",");
  }
  out.Append("\"model_name\":");
  AppendJsonString(out, plan.name);
  out.Append(",\"model_version\":\"");
  AppendNumber(out, plan.version);
  out.Append("\"");
  if (!response.parameters.empty()) {
    out.Append(",\"parameters\":");
    AppendJsonParameters(out, response.parameters);
  }
  out.Append(",\"outputs\":[");
  size_t tail_bytes = 0;
  bool first = true;
  for (const core::OutputTensor& output : response.outputs) {
    const std::string_view name = plan.outputs[output.slot].tensor.name;
    out.Append(first ? "{\"name\":" : ",{\"name\":");
    first = false;
    AppendJsonString(out, name);
    out.Append(",\"datatype\":\"");
    out.Append(tensor::WireName(output.data_type));
    out.Append("\",\"shape\":");
    AppendShape(out, output.shape);
    if (output.is_placed) {
      out.Append("}");
    } else if (IsBinary(form, output.slot)) {
      out.Append(",\"parameters\":{\"binary_data_size\":");
      AppendNumber(out, static_cast<int64_t>(output.view.size));
      out.Append("}}");
      tail_bytes += output.view.size;
    } else {
      out.Append(",\"data\":");
      RETURN_IF_ERROR(AppendJsonTensor(out, output, name, form.real16));
      out.Append("}");
    }
  }
  out.Append("]}");
  if (tail_bytes == 0) return {};
  out.set_json_size(out.size());
  for (const core::OutputTensor& output : response.outputs) {
    if (output.is_placed || !IsBinary(form, output.slot)) continue;
    out.AppendTensor({output.view.data, output.view.size}, output.owner);
  }
  return {};
}

}  // namespace serving::protocol
