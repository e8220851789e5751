// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "backend/backend.h"

namespace serving::testing {

// An instance, and a backend around it, that do what the test says.
class ScriptedInstance final : public backend::Instance {
 public:
  using Script = std::function<void(backend::Batch&)>;
  explicit ScriptedInstance(Script script) : script_(std::move(script)) {}
  void Execute(backend::Batch& batch) override { script_(batch); }

 private:
  const Script script_;
};

class ScriptedBackend final : public backend::Backend {
 public:
  explicit ScriptedBackend(ScriptedInstance::Script script, bool may_run_inline = false)
      : script_(std::move(script)), may_run_inline_(may_run_inline) {}

  std::string_view name() const override { return "scripted"; }
  bool may_run_inline(const core::ModelPlan&) const override { return may_run_inline_; }
  base::Result<std::unique_ptr<backend::BackendModel>> Load(const core::ModelPlan&) override {
    return std::unique_ptr<backend::BackendModel>(std::make_unique<ScriptedModel>(script_));
  }

 private:
  class ScriptedModel final : public backend::BackendModel {
   public:
    explicit ScriptedModel(ScriptedInstance::Script script) : script_(std::move(script)) {}
    base::Result<std::unique_ptr<backend::Instance>> CreateInstance(int) override {
      return std::unique_ptr<backend::Instance>(std::make_unique<ScriptedInstance>(script_));
    }

   private:
    const ScriptedInstance::Script script_;
  };

  const ScriptedInstance::Script script_;
  const bool may_run_inline_;
};

}  // namespace serving::testing
