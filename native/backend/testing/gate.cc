// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "backend/testing/flat_json.h"
#include "backend/testing/test_model.h"

namespace serving::backend {
namespace {

constexpr auto kLongestAwait = std::chrono::seconds(30);

// States: open (executions pass), closed (they wait; each permit lets one pass), ending (open for
// good).
class GateModel final : public TestModel {
 public:
  GateModel(bool is_closed, bool is_async) : is_async_(is_async), is_closed_(is_closed) {}

  void Execute(Batch& batch) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    if (is_async_) {
      held_.push_back(&batch);
      CompletePassing(lock);
      return;
    }
    passable_.wait(lock, [this] { return TakePermit(); });
    --waiting_;
    ++executed_;
    changed_.notify_all();
    lock.unlock();
    batch.Complete(CopyInputs("gate", batch));
  }

  void Unblock() override {
    std::unique_lock lock(mutex_);
    is_ending_ = true;
    passable_.notify_all();
    CompletePassing(lock);
  }

  base::Result<std::string> Control(std::string_view json) override {
    ASSIGN_OR_RETURN(const FlatJson control, FlatJson::Parse(json));
    ASSIGN_OR_RETURN(const std::string action, control.Text("action", ""));
    ASSIGN_OR_RETURN(const int64_t count, control.Count("count", 1));
    ASSIGN_OR_RETURN(const int64_t waiting, control.Count("waiting", 0));
    ASSIGN_OR_RETURN(const int64_t executed, control.Count("executed", 0));
    std::unique_lock lock(mutex_);
    if (action == "close") {
      is_closed_ = true;
      permits_ = 0;
    } else if (action == "open") {
      is_closed_ = false;
    } else if (action == "release") {
      permits_ += count;
    } else if (action == "await") {
      const bool reached = changed_.wait_for(
          lock, kLongestAwait, [&] { return waiting_ >= waiting && executed_ >= executed; });
      if (!reached) return base::DeadlineExceeded("gate: what was awaited did not happen");
    } else if (!action.empty()) {
      return base::InvalidArgument("gate: unknown action '" + action +
                                   "', expected close, open, release or await");
    }
    passable_.notify_all();
    CompletePassing(lock);
    return std::string("{\"closed\":") + (is_closed_ ? "true" : "false") +
           ",\"waiting\":" + std::to_string(waiting_) +
           ",\"executed\":" + std::to_string(executed_) + "}";
  }

 private:
  // Needs mutex_.
  bool TakePermit() {
    if (is_ending_ || !is_closed_) return true;
    if (permits_ == 0) return false;
    --permits_;
    return true;
  }

  // Ends held batches that may pass, without the lock: Complete calls back into the model. Takes
  // and leaves the lock held.
  void CompletePassing(std::unique_lock<std::mutex>& lock) {
    std::vector<Batch*> passing;
    while (!held_.empty() && TakePermit()) {
      passing.push_back(held_.front());
      held_.pop_front();
      --waiting_;
      ++executed_;
    }
    if (passing.empty()) return;
    changed_.notify_all();
    lock.unlock();
    for (Batch* batch : passing) batch->Complete(CopyInputs("gate", *batch));
    lock.lock();
  }

  const bool is_async_;
  std::mutex mutex_;
  std::condition_variable passable_;  // executions: the gate or the permits changed
  std::condition_variable changed_;   // await: the counts changed
  bool is_closed_;                    // guarded by mutex_
  bool is_ending_ = false;            // guarded by mutex_
  int64_t permits_ = 0;               // guarded by mutex_
  int64_t waiting_ = 0;               // guarded by mutex_
  int64_t executed_ = 0;              // guarded by mutex_
  std::deque<Batch*> held_;           // async: executions at the gate; guarded by mutex_
};

}  // namespace

std::unique_ptr<Backend> MakeGateBackend() {
  return std::make_unique<TestBackend>(
      "gate", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        RETURN_IF_ERROR(CheckOutputsAreInputs("gate", plan));
        ASSIGN_OR_RETURN(const bool is_closed, FlagParameter(plan, "closed"));
        ASSIGN_OR_RETURN(const bool is_async, FlagParameter(plan, "async"));
        return std::unique_ptr<BackendModel>(std::make_unique<GateModel>(is_closed, is_async));
      });
}

}  // namespace serving::backend
