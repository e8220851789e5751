// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "core/model_plan.h"
#include "scheduler/priority_queue.h"

namespace serving::scheduler {

// Classes of load are the levels 1 to 3 of a queue, interactive before standard before background.
inline constexpr uint64_t kClasses = 3;

// The level of a class by its name.
std::optional<uint64_t> ParseClass(std::string_view name);

// Moves every request that has waited for `ageing` since it came to its level to the end of the
// level before, as a thing of its own age: a request of level n (InferRequest::priority) stands in
// the first level (n - 1) × ageing after it came, and nobody who comes later is served before it.
// For that it must be called before each Push. Pure; costs what it moves.
void Age(PriorityQueue& queue, base::Nanoseconds ageing, base::Instant now);

// A request of the level may wait where so many do. A class leaves room to those before it: a flood
// of background fills half of a queue, a standard one three quarters.
bool HasRoomFor(uint64_t level, size_t waiting, int64_t max_queue_size);

}  // namespace serving::scheduler
