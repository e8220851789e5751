// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/identity/identity.h"

#include <utility>

namespace serving::backend {
namespace {

class IdentityInstance final : public Instance {
 public:
  void Execute(Batch& batch) override {
    for (uint32_t slot = 0; slot < batch.outputs().size(); ++slot) {
      if (!batch.wants(slot)) continue;
      const BatchInput& input = batch.inputs()[slot];
      if (!input.present) {
        batch.Complete(base::InvalidArgument("identity: the input of a wanted output is missing"));
        return;
      }
      BatchOutput& output = batch.outputs()[slot];
      output.data_type = input.data_type;
      output.shape = input.shape;
      output.view = input.view;
      output.owner = input.owner;
    }
    batch.Complete({});
  }
};

class IdentityModel final : public BackendModel {
 public:
  base::Result<std::unique_ptr<Instance>> CreateInstance(int) override {
    return std::unique_ptr<Instance>(std::make_unique<IdentityInstance>());
  }
};

class IdentityBackend final : public Backend {
 public:
  std::string_view name() const override { return "identity"; }
  bool may_run_inline(const core::ModelPlan&) const override { return true; }

  base::Result<std::unique_ptr<BackendModel>> Load(const core::ModelPlan& plan) override {
    if (plan.inputs.size() != plan.outputs.size()) {
      return base::InvalidArgument("identity: model '" + plan.name + "' has " +
                                   std::to_string(plan.inputs.size()) + " inputs and " +
                                   std::to_string(plan.outputs.size()) +
                                   " outputs, expected as many of each");
    }
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      const tensor::TensorDescriptor& input = plan.inputs[i].tensor;
      const tensor::TensorDescriptor& output = plan.outputs[i].tensor;
      if (input.data_type == output.data_type && input.dims == output.dims) continue;
      return base::InvalidArgument(
          "identity: output '" + output.name + "' of model '" + plan.name + "' is " +
          std::string(tensor::WireName(output.data_type)) + output.dims.ToString() +
          ", expected " + std::string(tensor::WireName(input.data_type)) + input.dims.ToString() +
          " as input '" + input.name + "'");
    }
    return std::unique_ptr<BackendModel>(std::make_unique<IdentityModel>());
  }
};

}  // namespace

std::unique_ptr<Backend> MakeIdentityBackend() { return std::make_unique<IdentityBackend>(); }

}  // namespace serving::backend
