// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "ensemble/relay.h"

#include <algorithm>
#include <chrono>
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
                      .chain = {},
                      .waits = {}});
    found = steps_.end() - 1;
  }
  if (const auto most = member.model->QueueTimeout(*request)) [[unlikely]] {
    found->waits.push_back(
        {.step = base::Ref<Step>::Share(static_cast<Step*>(request->sink.get())), .most = *most});
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

// Once they are submitted: a timer that was over before would find nothing in the queue.
void Relay::LimitWaits(Steps& steps) {
  if (steps.waits.empty()) [[likely]] {
    return;
  }
  const base::Instant now = std::chrono::steady_clock::now();
  for (Wait& wait : steps.waits) {
    wait.step->frame().run().LimitWait(*wait.step, steps.model, now + wait.most);
  }
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
        LimitWaits(steps);
      }
    }
    leaving_steps_.clear();
  }
  is_draining_ = false;
}

}  // namespace serving::ensemble
