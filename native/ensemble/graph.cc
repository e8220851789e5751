// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "ensemble/graph.h"

#include <algorithm>

namespace serving::ensemble {

Graph::Graph(const core::EnsemblePlan& plan)
    : readers(plan.tensors.size()), reads(plan.steps.size()), slots(plan.tensors.size()) {
  for (uint32_t step = 0; step < plan.steps.size(); ++step) {
    for (const auto& [name, tensor] : plan.steps[step].inputs) {
      std::vector<uint32_t>& known = readers[tensor];
      if (!known.empty() && known.back() == step) continue;
      known.push_back(step);
      reads[step].push_back(tensor);
    }
  }
  for (uint32_t slot = 0; slot < plan.outputs.size(); ++slot) {
    slots[plan.outputs[slot]].push_back(slot);
  }
}

std::vector<uint8_t> Graph::StepsFor(const core::EnsemblePlan& plan,
                                     const std::vector<uint8_t>& wanted) const {
  std::vector<uint8_t> is_needed(plan.tensors.size(), 0);
  for (uint32_t slot = 0; slot < plan.outputs.size(); ++slot) {
    if (wanted[slot] != 0) is_needed[plan.outputs[slot]] = 1;
  }
  std::vector<uint8_t> steps(plan.steps.size(), 0);
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (uint32_t step = 0; step < plan.steps.size(); ++step) {
      if (steps[step] != 0) continue;
      const auto& [model, inputs, outputs] = plan.steps[step];
      const auto leads = [&](const auto& link) { return is_needed[link.tensor] != 0; };
      if (std::ranges::none_of(outputs, leads)) continue;
      for (const auto& link : inputs) is_needed[link.tensor] = 1;
      steps[step] = 1;
      has_changed = true;
    }
  }
  return steps;
}

}  // namespace serving::ensemble
