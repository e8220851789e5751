// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/status.h"
#include "core/model_plan.h"

namespace serving::model {

// How long batches of a model take on a thread that is warm, as far as they are short enough to
// run on a thread that has sockets to serve.
//
// Threads: immutable once measured.
class InlineCosts {
 public:
  // Runs batches of zeros on the instance, 1 row, 2, 4 … until one takes too long or fails. An
  // error when one of them poisons the instance.
  static base::Result<InlineCosts> Measure(const core::ModelPlan& plan,
                                           backend::Instance& instance);

  // No batch is short enough.
  bool empty() const { return costs_.empty(); }
  // Of a batch of so many rows, rounded up to a measured size; nothing = not a short one.
  std::optional<base::Nanoseconds> Of(int64_t rows) const;

 private:
  std::vector<std::pair<int64_t, base::Nanoseconds>> costs_;  // by rows, ascending
};

}  // namespace serving::model
