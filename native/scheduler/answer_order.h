// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"

namespace serving::scheduler {

// Lets batches run side by side and their answers leave in the order in which they were taken:
// what is finished early waits here. So many batches at most are between their start and their
// turn, so that one slow batch does not pile up the answers of all after it.
//
// Not thread-safe: its model's lock guards it.
template <typename Answers>
class AnswerOrder {
 public:
  explicit AnswerOrder(size_t window) : slots_(window) {}

  // Never less than before: so much may be on its way already.
  void Widen(size_t window) {
    if (window <= slots_.size()) return;
    std::vector<std::optional<Answers>> wider(window);
    for (uint64_t number = due_; number < next_; ++number) {
      wider[number % window] = std::exchange(Slot(number), std::nullopt);
    }
    slots_ = std::move(wider);
  }

  // No batch may start until an earlier one has its turn.
  bool IsFull() const { return next_ - due_ >= slots_.size(); }

  // A batch starts. Its number.
  uint64_t Start() {
    SERVING_CHECK(!IsFull(), "a batch starts though no place is left for its answers");
    return next_++;
  }

  void Finish(uint64_t number, Answers answers) { Slot(number) = std::move(answers); }

  // The answers whose turn it is, which the caller sends; Sent must follow. Nothing when they are
  // not there yet, or while another thread sends: it takes what has become due meanwhile.
  std::optional<Answers> TakeDue() {
    std::optional<Answers>& slot = Slot(due_);
    if (is_sending_ || !slot) return std::nullopt;
    is_sending_ = true;
    ++due_;
    return std::exchange(slot, std::nullopt);
  }
  void Sent() { is_sending_ = false; }

 private:
  std::optional<Answers>& Slot(uint64_t number) { return slots_[number % slots_.size()]; }

  std::vector<std::optional<Answers>> slots_;
  uint64_t next_ = 0;  // the next batch
  uint64_t due_ = 0;   // the next to be answered
  bool is_sending_ = false;
};

}  // namespace serving::scheduler
