// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "base/memory_budget.h"
#include "base/ref.h"
#include "metrics/model_statistics.h"
#include "model/model.h"
#include "model/servable.h"

namespace serving::model {

class SplitRequest;

// Stands before a model whose plan has max_request_rows: a request of more rows than a batch holds
// becomes parts that go through the model's queue as any other, and one answer of all rows in
// order. Other requests pass.
//
// Two parts for each instance that serves are in the model at once, so that none waits for work;
// each that ends brings the next in, behind whoever came meanwhile. Where answers keep the order of
// arrival all are, for others may not pass.
//
// The first part that fails is the answer of the whole, and those that still wait are not run.
//
// Threads: as Servable. Owns the model. Its lock is held over no call into the model.
class Splitter final : public Servable {
 public:
  Splitter(base::Ref<Model> model, std::shared_ptr<base::MemoryBudget> budget);
  ~Splitter() override;

  void Submit(RequestChain chain, InlineAllowance* allowance) override;
  bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                    metrics::FailureReason reason) override;
  std::optional<base::Nanoseconds> QueueTimeout(const core::InferRequest& request) const override {
    return model_->QueueTimeout(request);
  }
  void Unblock() override { model_->Unblock(); }
  // The parts of what is inside go on coming in.
  void Stop() override { model_->Stop(); }
  base::Result<std::unique_ptr<Change>> PrepareChange(core::ModelPlan next) override {
    return model_->PrepareChange(std::move(next));
  }

  // Each split request counts once, executions and their rows as they were; what is queued is of
  // parts.
  metrics::ModelStatistics Statistics() const override;
  bool CanServe() const override { return model_->CanServe(); }
  void Trim() override { model_->Trim(); }
  double load_seconds() const override { return model_->load_seconds(); }
  std::optional<LoadView> ViewLoad() const override { return model_->ViewLoad(); }
  std::optional<size_t> RuntimeBytes() const override { return model_->RuntimeBytes(); }
  base::Result<std::string> Control(std::string_view json) override {
    return model_->Control(json);
  }

 private:
  friend class SplitRequest;

  // What a split request took: sums over its parts.
  struct Ended {
    base::Status status;
    core::StageTimes times;  // from the first part that started to the last that ended
    base::Nanoseconds input{0};
    base::Nanoseconds infer{0};
    base::Nanoseconds output{0};
  };

  void AppendParts(core::RequestPtr request, RequestChain& chain);
  // How many parts of a request may be in the model now.
  size_t Window() const;
  // Before the answer is sent.
  void CountEnd(const SplitRequest& request, const Ended& ended);

  const base::Ref<Model> model_;
  const std::shared_ptr<base::MemoryBudget> budget_;
  mutable std::mutex mutex_;
  // Not answered yet, by the sink of the whole. Guarded by mutex_.
  std::unordered_map<const core::ResponseSink*, SplitRequest*> requests_;
  metrics::ModelStatistics wholes_;  // counters of requests only; guarded by mutex_
};

}  // namespace serving::model
