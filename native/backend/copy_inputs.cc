// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/copy_inputs.h"

#include <string>

namespace serving::backend {

base::Status CheckOutputsAreInputs(std::string_view backend, const core::ModelPlan& plan) {
  const std::string prefix(backend);
  if (plan.inputs.size() != plan.outputs.size()) {
    return base::InvalidArgument(prefix + ": model '" + plan.name + "' has " +
                                 std::to_string(plan.inputs.size()) + " inputs and " +
                                 std::to_string(plan.outputs.size()) +
                                 " outputs, expected as many of each");
  }
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const tensor::TensorDescriptor& input = plan.inputs[i].tensor;
    const tensor::TensorDescriptor& output = plan.outputs[i].tensor;
    if (input.data_type == output.data_type && input.dims == output.dims) continue;
    return base::InvalidArgument(prefix + ": output '" + output.name + "' of model '" + plan.name +
                                 "' is " + std::string(tensor::WireName(output.data_type)) +
                                 output.dims.ToString() + ", expected " +
                                 std::string(tensor::WireName(input.data_type)) +
                                 input.dims.ToString() + " as input '" + input.name + "'");
  }
  return {};
}

base::Status CopyInputs(std::string_view backend, Batch& batch) {
  for (uint32_t slot = 0; slot < batch.outputs().size(); ++slot) {
    if (!batch.wants(slot)) continue;
    const BatchInput& input = batch.inputs()[slot];
    if (!input.present) {
      return base::InvalidArgument(std::string(backend) +
                                   ": the input of a wanted output is missing");
    }
    BatchOutput& output = batch.outputs()[slot];
    output.data_type = input.data_type;
    output.shape = input.shape;
    output.view = input.view;
    output.owner = input.owner;
  }
  return {};
}

}  // namespace serving::backend
