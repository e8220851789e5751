// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/ref.h"

namespace serving::trace {

// What is recorded of a traced request.
struct Level {
  bool timestamps = false;
  bool tensors = false;

  bool is_off() const { return !timestamps && !tensors; }
};

// Chooses every `rate`-th request until `count` were chosen.
//
// Threads: Sample and remaining from any thread.
class Sampler final : public base::RefCounted {
 public:
  // `id` tells settings apart; `rate` is at least 1; `count` below 0 = without end.
  Sampler(uint64_t id, Level level, uint64_t rate, int64_t count)
      : id_(id), level_(level), rate_(rate), remaining_(count) {}

  bool Sample();

  uint64_t id() const { return id_; }
  Level level() const { return level_; }
  // Requests that may still be chosen; negative = without end.
  int64_t remaining() const { return remaining_.load(std::memory_order_relaxed); }

 private:
  const uint64_t id_;
  const Level level_;
  const uint64_t rate_;
  std::atomic<uint64_t> seen_{0};
  std::atomic<int64_t> remaining_;
};

// The samplers of all models. Immutable; swapped as a whole on every I/O thread. There is none
// while nothing is traced.
class Plan final : public base::RefCounted {
 public:
  // `takes_context`: a request that carries a W3C trace context is traced whatever the samplers
  // say.
  Plan(base::Ref<Sampler> global, bool takes_context)
      : global_(std::move(global)), takes_context_(takes_context) {}

  void Add(std::string model, base::Ref<Sampler> sampler) {
    models_[std::move(model)] = std::move(sampler);
  }
  Sampler& Find(std::string_view model) const {
    const auto found = models_.find(model);
    return found == models_.end() ? *global_ : *found->second;
  }
  bool takes_context() const { return takes_context_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  const base::Ref<Sampler> global_;
  const bool takes_context_;
  std::unordered_map<std::string, base::Ref<Sampler>, Hash, std::equal_to<>> models_;
};

using PlanRef = base::Ref<const Plan>;

}  // namespace serving::trace
