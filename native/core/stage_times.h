// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/clock.h"

namespace serving::core {

// When a request passed each room. Statistics, traces and metrics are all read from this one
// struct. A time that has not come is the epoch of the clock.
struct StageTimes {
  base::Instant received;       // last byte of the request read
  base::Instant queued;         // put into the model's queue
  base::Instant compute_start;  // its batch was formed
  base::Instant input_end;      // inputs gathered
  base::Instant infer_end;      // backend answered
  base::Instant output_end;     // outputs scattered
};

}  // namespace serving::core
