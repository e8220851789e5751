// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>

namespace serving::base {

// Many threads push, one takes all. T has a member `T* next`. Lock-free: the consumer never pops a
// single node, so there is no ABA.
template <typename T>
class MpscQueue {
 public:
  // True when the queue was empty: then, and only then, the consumer has to be woken.
  bool Push(T* node) { return PushChain(node, node); }

  // `first` … `last` linked through `next`, in the order in which they are to come out.
  bool PushChain(T* first, T* last) {
    // Stored newest first; TakeAll reverses. A chain goes in reversed so that it comes out as
    // given.
    T* reversed = nullptr;
    for (T* node = first;;) {
      T* following = node->next;
      node->next = reversed;
      reversed = node;
      if (node == last) break;
      node = following;
    }
    T* head = head_.load(std::memory_order_relaxed);
    do {
      first->next = head;
    } while (!head_.compare_exchange_weak(head, reversed, std::memory_order_release,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // Everything pushed so far as a chain, oldest first; null when empty. Consumer only.
  T* TakeAll() {
    T* node = head_.exchange(nullptr, std::memory_order_acquire);
    T* ordered = nullptr;
    while (node != nullptr) {
      T* following = node->next;
      node->next = ordered;
      ordered = node;
      node = following;
    }
    return ordered;
  }

  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

 private:
  std::atomic<T*> head_{nullptr};
};

}  // namespace serving::base
