// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace serving::net {

// Objects that are used again instead of being made anew. Keeps at most `max_idle` of them.
//
// Threads: one.
template <typename T>
class ObjectPool {
 public:
  ObjectPool(std::function<std::unique_ptr<T>()> make, size_t max_idle)
      : make_(std::move(make)), max_idle_(max_idle) {}

  T* Take() {
    if (idle_.empty()) return make_().release();
    T* const object = idle_.back().release();
    idle_.pop_back();
    return object;
  }
  void GiveBack(T* object) {
    std::unique_ptr<T> owned(object);
    if (idle_.size() < max_idle_) idle_.push_back(std::move(owned));
  }

 private:
  const std::function<std::unique_ptr<T>()> make_;
  const size_t max_idle_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace serving::net
