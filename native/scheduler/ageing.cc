// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/ageing.h"

#include <algorithm>

namespace serving::scheduler {

std::optional<uint64_t> ParseClass(std::string_view name) {
  if (name == "interactive") return 1;
  if (name == "standard") return 2;
  if (name == "background") return 3;
  return std::nullopt;
}

void Age(PriorityQueue& queue, base::Nanoseconds ageing, base::Instant now) {
  // From the last level on: who has waited long enough for two steps takes both. Those who come to
  // a level come in the order in which they will leave it, so the first tells whether any is to go.
  for (uint64_t level = kClasses; level > 1; --level) {
    for (Place place = queue.FirstOf(level); place != kNoPlace; place = queue.FirstOf(level)) {
      const QueuedRequest& queued = queue[place];
      const auto steps = static_cast<int64_t>(queue.LevelOf(queued.request->priority) - level + 1);
      if (now - queued.enqueued < ageing * steps) break;
      queue.Move(place, level - 1);
    }
  }
}

bool HasRoomFor(uint64_t level, size_t waiting, int64_t max_queue_size) {
  if (max_queue_size == 0) return true;
  const auto limit = static_cast<uint64_t>(max_queue_size);
  const uint64_t quarters = level <= 1 ? 4 : level == 2 ? 3 : 2;
  return waiting < std::max<uint64_t>(limit / 4 * quarters + limit % 4 * quarters / 4, 1);
}

}  // namespace serving::scheduler
