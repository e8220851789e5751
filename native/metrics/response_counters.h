// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ref.h"
#include "metrics/bounded_histogram.h"
#include "metrics/duration.h"

namespace serving::metrics {

// Responses with one index of a decoupled model: the first of each request, the second, …
struct ResponseStatistics {
  Duration compute_infer;
  Duration compute_output;
  Duration success;
  Duration fail;
  Duration empty_response;
  Duration cancel;
};

enum class ResponseOutcome : uint8_t { kSuccess, kFail, kEmpty, kCancel };

// When a response was made. Its computing begins where the one before it was sent.
struct ResponseTimes {
  base::Instant start;
  base::Instant output_start;  // computed: its outputs are being filled
  base::Instant end;           // sent
};

// Counts the responses of one decoupled model version. An object of its own: a response may be sent
// when its model is gone.
//
// Threads: any; one short lock, under which nothing else is locked.
class ResponseCounters final : public base::RefCounted {
 public:
  // Responses of a request beyond these are not listed, so that a client which asks for millions
  // fills neither memory nor the page.
  static constexpr size_t kMaxIndexes = 4096;

  // `bounds_ms` absent: no histogram of the time to the first response.
  explicit ResponseCounters(std::optional<std::vector<double>> bounds_ms) {
    if (bounds_ms) first_response_ms_.emplace(std::move(*bounds_ms));
  }

  // `since_received` is measured for the first response of a request only.
  void Count(size_t index, ResponseOutcome outcome, const ResponseTimes& times,
             base::Nanoseconds since_received);

  std::vector<ResponseStatistics> Statistics() const;
  std::optional<BoundedHistogram> FirstResponse() const;

 private:
  mutable std::mutex mutex_;
  std::vector<ResponseStatistics> by_index_;           // guarded by mutex_
  std::optional<BoundedHistogram> first_response_ms_;  // guarded by mutex_
};

}  // namespace serving::metrics
