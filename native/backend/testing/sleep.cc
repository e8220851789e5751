// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "backend/testing/flat_json.h"
#include "backend/testing/test_model.h"

namespace serving::backend {
namespace {

constexpr int64_t kMaxMicroseconds = 60'000'000;

class SleepModel final : public TestModel {
 public:
  SleepModel(int64_t fixed_us, int64_t row_us) : fixed_us_(fixed_us), row_us_(row_us) {}

  void Execute(Batch& batch) override {
    // Each factor is at most a minute and rows are at most 2^31: no overflow.
    const int64_t us = std::min(fixed_us_ + row_us_ * batch.rows(), kMaxMicroseconds);
    std::this_thread::sleep_for(std::chrono::microseconds(us));
    ++executed_;
    batch.Complete(CopyInputs("sleep", batch));
  }

  base::Result<std::string> Control(std::string_view json) override {
    ASSIGN_OR_RETURN(const FlatJson control, FlatJson::Parse(json));
    ASSIGN_OR_RETURN(const int64_t fixed, control.Count("sleep_us", fixed_us_));
    ASSIGN_OR_RETURN(const int64_t row, control.Count("sleep_us_per_row", row_us_));
    fixed_us_ = std::min(fixed, kMaxMicroseconds);
    row_us_ = std::min(row, kMaxMicroseconds);
    return "{\"executed\":" + std::to_string(executed_) + "}";
  }

 private:
  std::atomic<int64_t> fixed_us_;
  std::atomic<int64_t> row_us_;
  std::atomic<int64_t> executed_{0};
};

}  // namespace

std::unique_ptr<Backend> MakeSleepBackend() {
  return std::make_unique<TestBackend>(
      "sleep", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        RETURN_IF_ERROR(CheckOutputsAreInputs("sleep", plan));
        ASSIGN_OR_RETURN(const int64_t fixed, CountParameter(plan, "sleep_us", 0));
        ASSIGN_OR_RETURN(const int64_t row, CountParameter(plan, "sleep_us_per_row", 0));
        return std::unique_ptr<BackendModel>(std::make_unique<SleepModel>(
            std::min(fixed, kMaxMicroseconds), std::min(row, kMaxMicroseconds)));
      });
}

}  // namespace serving::backend
