// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <exception>
#include <mutex>
#include <stdexcept>

#include "backend/testing/flat_json.h"
#include "backend/testing/test_model.h"

namespace serving::backend {
namespace {

constexpr const char* kDefaultMessage = "the poison backend fails as it was told";

class PoisonModel final : public TestModel {
 public:
  PoisonModel(bool is_always, std::string message)
      : is_always_(is_always), message_(std::move(message)) {}

  // Stands for an adapter of a library that throws: what it throws ends here.
  void Execute(Batch& batch) override {
    base::Status status;
    try {
      status = Decide(batch);
    } catch (const std::exception& error) {
      status = base::Internal(error.what());
    }
    batch.Complete(status.ok() ? CopyInputs("poison", batch) : std::move(status));
  }

  base::Result<std::string> Control(std::string_view json) override {
    ASSIGN_OR_RETURN(const FlatJson control, FlatJson::Parse(json));
    ASSIGN_OR_RETURN(const std::string action, control.Text("action", ""));
    ASSIGN_OR_RETURN(const int64_t count, control.Count("count", 1));
    std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(message_, control.Text("message", message_));
    if (action == "fail" || action == "throw") {
      remaining_ = count;
      throws_ = action == "throw";
    } else if (action == "always" || action == "heal") {
      is_always_ = action == "always";
      remaining_ = poisonings_ = broken_rebuilds_ = 0;
    } else if (action == "poison") {
      poisonings_ = count;
    } else if (action == "break_rebuilds") {
      broken_rebuilds_ = count;
    } else if (!action.empty()) {
      return base::InvalidArgument(
          "poison: unknown action '" + action +
          "', expected fail, throw, always, heal, poison or break_rebuilds");
    }
    return "{\"failed\":" + std::to_string(failed_) + ",\"executed\":" + std::to_string(executed_) +
           ",\"rebuilt\":" + std::to_string(rebuilt_) + "}";
  }

  base::Result<std::unique_ptr<Instance>> RebuildInstance(
      int index, std::unique_ptr<Instance> poisoned) override {
    poisoned.reset();
    {
      std::lock_guard lock(mutex_);
      if (broken_rebuilds_ > 0) {
        --broken_rebuilds_;
        return base::Internal("a rebuild fails as it was told");
      }
      ++rebuilt_;
    }
    return CreateInstance(index);
  }

 private:
  base::Status Decide(Batch& batch) {
    std::lock_guard lock(mutex_);
    ++executed_;
    if (poisonings_ > 0) {
      --poisonings_;
      ++failed_;
      batch.Poison(message_);
      return base::Internal(message_);
    }
    if (remaining_ == 0 && !is_always_) return {};
    ++failed_;
    if (remaining_ > 0) {
      --remaining_;
      if (throws_) throw std::runtime_error(message_);
    }
    return base::Internal(message_);
  }

  std::mutex mutex_;
  bool is_always_;               // guarded by mutex_
  bool throws_ = false;          // guarded by mutex_
  int64_t remaining_ = 0;        // executions that fail yet; guarded by mutex_
  int64_t poisonings_ = 0;       // executions that poison their instance yet; guarded by mutex_
  int64_t broken_rebuilds_ = 0;  // guarded by mutex_
  int64_t rebuilt_ = 0;          // guarded by mutex_
  int64_t failed_ = 0;           // guarded by mutex_
  int64_t executed_ = 0;         // guarded by mutex_
  std::string message_;          // guarded by mutex_
};

}  // namespace

std::unique_ptr<Backend> MakePoisonBackend() {
  return std::make_unique<TestBackend>(
      "poison", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        RETURN_IF_ERROR(CheckOutputsAreInputs("poison", plan));
        const auto message = plan.parameters.find("message");
        const bool is_always = message != plan.parameters.end();
        return std::unique_ptr<BackendModel>(std::make_unique<PoisonModel>(
            is_always, is_always ? message->second : std::string(kDefaultMessage)));
      });
}

}  // namespace serving::backend
