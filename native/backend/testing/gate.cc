// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/testing/gated_model.h"

namespace serving::backend {
namespace {

class GateModel final : public GatedModel {
 public:
  using GatedModel::GatedModel;

 private:
  void Answer(Batch& batch) override { batch.Complete(CopyInputs("gate", batch)); }
};

}  // namespace

std::unique_ptr<Backend> MakeGateBackend() {
  return std::make_unique<TestBackend>(
      "gate", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        RETURN_IF_ERROR(CheckOutputsAreInputs("gate", plan));
        ASSIGN_OR_RETURN(const bool is_closed, FlagParameter(plan, "closed"));
        ASSIGN_OR_RETURN(const bool is_async, FlagParameter(plan, "async"));
        return std::unique_ptr<BackendModel>(std::make_unique<GateModel>(is_closed, is_async));
      });
}

}  // namespace serving::backend
