// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <vector>

#include "base/ref.h"
#include "base/waker.h"
#include "ensemble/binding.h"
#include "model/servable.h"

namespace serving::ensemble {

class Run;
class Step;

// What one thread has found out to be done next: steps to submit, runs to begin, wakers to ring.
//
// A step ends inside its model, which still holds the lease and has more answers to send. So the
// requests that follow are gathered and leave together when the sender rings (ResponseSink::Send),
// which also lets them share a batch and keeps the stack flat.
//
// Threads: the one it belongs to.
class Relay final : public base::Waker {
 public:
  static Relay& OfThisThread();

  void Submit(const Member& member, core::RequestPtr request);
  void Begin(base::Ref<Run> run);
  void Ring(base::Waker* waker);

  // True when what was added leaves without a ring: a Drain is under way on this thread.
  bool is_draining() const { return is_draining_; }
  bool empty() const { return steps_.empty() && runs_.empty() && wakers_.empty(); }

  void Wake() override {
    if (!is_draining_) Drain(nullptr);
  }
  // Until nothing is left. `allowance` as of Servable::Submit.
  void Drain(model::InlineAllowance* allowance);

 private:
  struct Wait {
    base::Ref<Step> step;
    base::Nanoseconds most;
  };
  struct Steps {
    base::Ref<model::Servable> model;
    base::Ref<const Binding> binding;  // of an ensemble
    Ensemble* ensemble = nullptr;
    model::RequestChain chain;
    std::vector<Wait> waits;  // of those that may not wait for ever
  };

  ~Relay() override = default;
  void RingAll();
  static void LimitWaits(Steps& steps);

  std::vector<Steps> steps_;  // by model
  std::vector<base::Ref<Run>> runs_;
  std::vector<base::Ref<base::Waker>> wakers_;
  // Emptied while their other halves fill.
  std::vector<Steps> leaving_steps_;
  std::vector<base::Ref<Run>> leaving_runs_;
  bool is_draining_ = false;
};

}  // namespace serving::ensemble
