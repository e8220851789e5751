// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace serving::net {

struct ListLink {
  ListLink* previous = nullptr;
  ListLink* next = nullptr;
};

// Base of objects that can be in one list of kind `Tag`.
template <typename Tag>
class ListHook : private ListLink {
  template <typename T, typename U>
  friend class IntrusiveList;
};

// Doubly linked list of objects that it does not own. Neither adding nor removing allocates.
template <typename T, typename Tag>
class IntrusiveList {
 public:
  IntrusiveList() { ends_.next = ends_.previous = &ends_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return ends_.next == &ends_; }
  T* front() const { return empty() ? nullptr : FromLink(ends_.next); }
  // Behind `object`; null at the end.
  T* After(T& object) const {
    ListLink* const next = LinkOf(object)->next;
    return next == &ends_ ? nullptr : FromLink(next);
  }
  static bool Contains(T& object) { return LinkOf(object)->next != nullptr; }

  void PushBack(T& object) {
    ListLink* const link = LinkOf(object);
    link->previous = ends_.previous;
    link->next = &ends_;
    ends_.previous->next = link;
    ends_.previous = link;
  }
  // Harmless when the object is in no list of this kind.
  static void Remove(T& object) {
    ListLink* const link = LinkOf(object);
    if (link->next == nullptr) return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = nullptr;
  }

 private:
  static ListLink* LinkOf(T& object) { return static_cast<ListHook<Tag>*>(&object); }
  static T* FromLink(ListLink* link) { return static_cast<T*>(static_cast<ListHook<Tag>*>(link)); }

  ListLink ends_;
};

}  // namespace serving::net
