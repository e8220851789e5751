// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "ensemble/relay.h"

#include <algorithm>
#include <utility>

#include "ensemble/ensemble.h"
#include "ensemble/run.h"

namespace serving::ensemble {

Relay& Relay::OfThisThread() {
  thread_local const base::Ref<Relay> relay = base::MakeRef<Relay>();
  return *relay;
}

void Relay::Submit(const Member& member, core::RequestPtr request) {
  auto found = std::ranges::find_if(steps_, [&](const Steps& steps) {
    return steps.model.get() == member.model.get() && steps.binding.get() == member.binding.get();
  });
  if (found == steps_.end()) {
    steps_.push_back({.model = member.model,
                      .binding = member.binding,
                      .ensemble = member.ensemble,
                      .chain = {}});
    found = steps_.end() - 1;
  }
  found->chain.Append(std::move(request));
}

void Relay::Begin(base::Ref<Run> run) { runs_.push_back(std::move(run)); }

void Relay::Ring(base::Waker* waker) {
  if (waker == nullptr || waker == this) return;
  const auto is_same = [&](const auto& known) { return known.get() == waker; };
  if (std::ranges::none_of(wakers_, is_same)) {
    wakers_.push_back(base::Ref<base::Waker>::Share(waker));
  }
}

void Relay::RingAll() {
  for (const auto& waker : wakers_) waker->Wake();
  wakers_.clear();
}

void Relay::Drain(model::InlineAllowance* allowance) {
  is_draining_ = true;
  while (!empty()) {
    RingAll();
    leaving_runs_.swap(runs_);
    for (base::Ref<Run>& run : leaving_runs_) run->Begin();
    leaving_runs_.clear();
    leaving_steps_.swap(steps_);
    for (Steps& steps : leaving_steps_) {
      if (steps.ensemble != nullptr) {
        steps.ensemble->SubmitBound(std::move(steps.chain), steps.binding, allowance);
      } else {
        steps.model->Submit(std::move(steps.chain), allowance);
      }
    }
    leaving_steps_.clear();
  }
  is_draining_ = false;
}

}  // namespace serving::ensemble
