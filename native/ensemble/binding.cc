// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "ensemble/binding.h"

#include <algorithm>
#include <string>
#include <utility>

namespace serving::ensemble {
namespace {

// Slot of the tensor of that name; nothing when there is none.
std::optional<uint32_t> FindSlot(const std::vector<core::TensorPlan>& tensors,
                                 const std::string& name) {
  const auto found = std::ranges::find_if(
      tensors, [&](const core::TensorPlan& plan) { return plan.tensor.name == name; });
  if (found == tensors.end()) return std::nullopt;
  return static_cast<uint32_t>(found - tensors.begin());
}

base::Status NoSuchTensor(const core::ModelPlan& plan, const char* kind, const std::string& name,
                          const core::EnsembleStepPlan& step) {
  return base::InvalidArgument("in ensemble '" + plan.name + "', model '" + step.model +
                               "' has no " + kind + " '" + name + "'");
}

}  // namespace

void Hold::Gone::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_gone_; });
}

Hold::~Hold() {
  std::lock_guard lock(gone_->mutex_);
  gone_->is_gone_ = true;
  gone_->changed_.notify_all();
}

base::Result<base::Ref<const Binding>> Binding::Make(const core::ModelPlan& plan,
                                                     std::vector<Member> members) {
  const std::vector<core::EnsembleStepPlan>& steps = plan.ensemble->steps;
  if (members.size() != steps.size()) {
    return base::Internal("ensemble '" + plan.name + "' has " + std::to_string(steps.size()) +
                          " steps, got " + std::to_string(members.size()) + " models for them");
  }
  auto binding = base::MakeRef<Binding>();
  for (size_t i = 0; i < steps.size(); ++i) {
    Step step;
    step.member = std::move(members[i]);
    const core::ModelPlan& model = step.member.model->plan();
    for (const auto& [name, tensor] : steps[i].inputs) {
      const auto slot = FindSlot(model.inputs, name);
      if (!slot) return NoSuchTensor(plan, "input", name, steps[i]);
      step.inputs.push_back({.slot = *slot, .tensor = tensor});
    }
    step.tensors.assign(model.outputs.size(), kNoTensor);
    for (const auto& [name, tensor] : steps[i].outputs) {
      const auto slot = FindSlot(model.outputs, name);
      if (!slot) return NoSuchTensor(plan, "output", name, steps[i]);
      step.tensors[*slot] = tensor;
    }
    step.uses_all_outputs = std::ranges::find(step.tensors, kNoTensor) == step.tensors.end();
    binding->steps_.push_back(std::move(step));
  }
  return base::Ref<const Binding>(std::move(binding));
}

}  // namespace serving::ensemble
