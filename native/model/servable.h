// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/ref.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "core/request_chain.h"
#include "metrics/model_statistics.h"
#include "model/load_view.h"

namespace serving::model {

// What an I/O thread may still spend on running batches itself in this loop turn.
struct InlineAllowance {
  base::Nanoseconds left{0};
};

using core::RequestChain;

// A change of a loaded version that cannot fail any more. Dropped unapplied, it changes nothing.
class Change {
 public:
  virtual ~Change() = default;
  // Requests are served throughout. Waits for executions of what goes, for no client. Once.
  virtual void Apply() = 0;
};

// What requests are sent to: one loaded version of a model, or of an ensemble of models.
//
// Threads: every function from any.
class Servable : public base::RefCounted {
 public:
  const core::ModelPlan& plan() const { return plan_; }

  // Takes validated requests over. Every one is answered exactly once through its sink, refusals
  // included. `allowance` null: never run on the calling thread.
  virtual void Submit(RequestChain chain, InlineAllowance* allowance) = 0;

  // Takes the request that answers to `sink` out of the queue and answers `status`. False when it
  // is not queued (any more): it is running or answered.
  virtual bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                            metrics::FailureReason reason) = 0;

  // When a waiting request is to be refused for its age; nothing = never.
  virtual std::optional<base::Nanoseconds> QueueTimeout(
      const core::InferRequest& request) const = 0;

  // Refuses new requests, lets those inside end, joins the threads. Blocks; not on a thread of its
  // own.
  virtual void Stop() = 0;
  // Gets ready for the number of instances and the limits of `next`: a plan of this version that
  // differs in them alone. Blocks while instances are built and warmed up. What `plan` says of them
  // stays as it was loaded.
  virtual base::Result<std::unique_ptr<Change>> PrepareChange(core::ModelPlan next) {
    return base::Unimplemented("model '" + next.name + "' cannot change while it serves");
  }
  // What its executions wait for outside does not hold up those who wait for them: they go on now.
  virtual void Unblock() {}

  virtual metrics::ModelStatistics Statistics() const = 0;
  virtual double load_seconds() const = 0;
  // How it forms batches; nothing where it forms none.
  virtual std::optional<LoadView> ViewLoad() const { return std::nullopt; }

  // An instance works, of each model that it needs. Never blocks for long.
  virtual bool CanServe() const = 0;

  // Gives memory back that is kept for batches to come. Takes free instances for a moment.
  virtual void Trim() = 0;

  // What its runtime has allocated for it, where that says so.
  virtual std::optional<size_t> RuntimeBytes() const { return std::nullopt; }

  // Test door of its backend: JSON in, JSON out.
  virtual base::Result<std::string> Control(std::string_view json) = 0;

 protected:
  explicit Servable(core::ModelPlan plan) : plan_(std::move(plan)) {}

  const core::ModelPlan plan_;
};

}  // namespace serving::model
