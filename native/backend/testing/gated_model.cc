// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/testing/gated_model.h"

#include <chrono>

#include "backend/testing/flat_json.h"

namespace serving::backend {
namespace {

constexpr auto kLongestAwait = std::chrono::seconds(30);

}  // namespace

void GatedModel::Execute(Batch& batch) {
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
  Answer(batch);
}

void GatedModel::Unblock() {
  std::unique_lock lock(mutex_);
  is_ending_ = true;
  passable_.notify_all();
  CompletePassing(lock);
}

base::Result<std::string> GatedModel::Control(std::string_view json) {
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
         ",\"waiting\":" + std::to_string(waiting_) + ",\"executed\":" + std::to_string(executed_) +
         "}";
}

bool GatedModel::TakePermit() {
  if (is_ending_ || !is_closed_) return true;
  if (permits_ == 0) return false;
  --permits_;
  return true;
}

void GatedModel::CompletePassing(std::unique_lock<std::mutex>& lock) {
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
  for (Batch* batch : passing) Answer(*batch);
  lock.lock();
}

}  // namespace serving::backend
