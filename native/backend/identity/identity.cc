// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/identity/identity.h"

#include "backend/copy_inputs.h"

namespace serving::backend {
namespace {

class IdentityInstance final : public Instance {
 public:
  void Execute(Batch& batch) override { batch.Complete(CopyInputs("identity", batch)); }
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
  bool only_copies_values() const override { return true; }

  base::Result<std::unique_ptr<BackendModel>> Load(const core::ModelPlan& plan) override {
    RETURN_IF_ERROR(CheckOutputsAreInputs("identity", plan));
    return std::unique_ptr<BackendModel>(std::make_unique<IdentityModel>());
  }
};

}  // namespace

std::unique_ptr<Backend> MakeIdentityBackend() { return std::make_unique<IdentityBackend>(); }

}  // namespace serving::backend
