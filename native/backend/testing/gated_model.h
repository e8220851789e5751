// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "backend/testing/test_model.h"

namespace serving::backend {

// A test model with a gate before its executions. States: open (executions pass), closed (they
// wait; each permit lets one pass), ending (open for good).
class GatedModel : public TestModel {
 public:
  GatedModel(bool is_closed, bool is_async) : is_async_(is_async), is_closed_(is_closed) {}

  void Execute(Batch& batch) final;
  void Unblock() final;
  base::Result<std::string> Control(std::string_view json) final;

 protected:
  // Of a batch that has passed.
  virtual void Answer(Batch& batch) = 0;

 private:
  // Needs mutex_.
  bool TakePermit();
  // Ends held batches that may pass, without the lock: Complete calls back into the model. Takes
  // and leaves the lock held.
  void CompletePassing(std::unique_lock<std::mutex>& lock);

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

}  // namespace serving::backend
