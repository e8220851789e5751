// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backend/backend.h"
#include "backend/copy_inputs.h"
#include "base/status.h"
#include "core/model_plan.h"

namespace serving::backend {

// A whole number of 0 or more from a model's parameters, or the fallback.
inline base::Result<int64_t> CountParameter(const core::ModelPlan& plan, const std::string& key,
                                            int64_t fallback) {
  const auto found = plan.parameters.find(key);
  if (found == plan.parameters.end()) return fallback;
  const std::string& text = found->second;
  int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || value < 0) {
    return base::InvalidArgument(plan.backend + ": parameter '" + key + "' of model '" + plan.name +
                                 "' is '" + text + "', expected a whole number of 0 or more");
  }
  return value;
}

inline base::Result<bool> FlagParameter(const core::ModelPlan& plan, const std::string& key) {
  const auto found = plan.parameters.find(key);
  if (found == plan.parameters.end()) return false;
  if (found->second == "true" || found->second == "false") return found->second == "true";
  return base::InvalidArgument(plan.backend + ": parameter '" + key + "' of model '" + plan.name +
                               "' is '" + found->second + "', expected true or false");
}

// A test backend's version: its instances share it, so all state lives here. Threads: Execute from
// several instances at once, Control from any.
class TestModel : public BackendModel {
 public:
  virtual void Execute(Batch& batch) = 0;

  base::Result<std::unique_ptr<Instance>> CreateInstance(int) override {
    return std::unique_ptr<Instance>(std::make_unique<SharingInstance>(*this));
  }

 private:
  class SharingInstance final : public Instance {
   public:
    explicit SharingInstance(TestModel& model) : model_(model) {}
    void Execute(Batch& batch) override { model_.Execute(batch); }

   private:
    TestModel& model_;
  };
};

// A backend that is a name and a way to load.
class TestBackend final : public Backend {
 public:
  using Loader = std::function<base::Result<std::unique_ptr<BackendModel>>(const core::ModelPlan&)>;

  TestBackend(std::string name, Loader loader, bool answers_itself = false)
      : name_(std::move(name)), loader_(std::move(loader)), answers_itself_(answers_itself) {}

  std::string_view name() const override { return name_; }
  bool may_run_inline(const core::ModelPlan&) const override { return false; }
  bool answers_itself() const override { return answers_itself_; }
  base::Result<std::unique_ptr<BackendModel>> Load(const core::ModelPlan& plan) override {
    return loader_(plan);
  }

 private:
  const std::string name_;
  const Loader loader_;
  const bool answers_itself_;
};

std::unique_ptr<Backend> MakeSleepBackend();
std::unique_ptr<Backend> MakeGateBackend();
std::unique_ptr<Backend> MakeBurstBackend();
std::unique_ptr<Backend> MakePoisonBackend();
std::unique_ptr<Backend> MakeStreamBackend();
std::unique_ptr<Backend> MakeParametersBackend();
std::unique_ptr<Backend> MakeSequenceBackend();

}  // namespace serving::backend
