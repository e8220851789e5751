// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ref.h"
#include "cache/answer.h"

namespace serving::cache {

// Answers under their keys, in the order in which they were last asked for, and traces of keys that
// were asked for in vain. Links are within the answers, so nothing is allocated but the buckets,
// which double.
//
// Threads: MayContain and MissedBefore from any; all else one at a time.
class AnswerTable {
 public:
  // Answers that were taken out, to be let go where no lock is held.
  class Removed {
   public:
    Removed() = default;
    ~Removed();
    Removed(const Removed&) = delete;
    Removed& operator=(const Removed&) = delete;

   private:
    friend class AnswerTable;
    Answer* first_ = nullptr;  // linked by older_
  };

  AnswerTable();
  ~AnswerTable();
  AnswerTable(const AnswerTable&) = delete;
  AnswerTable& operator=(const AnswerTable&) = delete;

  // False: there is no answer under this key, or it is just being added.
  bool MayContain(const Hash128& key) const;
  // Whether this key was asked for not long ago: it is one of the two in its bucket that were last.
  // Remembers it. Two of 65,536 keys are taken for one of them.
  bool MissedBefore(const Hash128& key);

  bool Contains(const Hash128& key) const { return FindRaw(key) != nullptr; }
  // Null when there is none. It is the newest from then on.
  base::Ref<Answer> Touch(const Hash128& key);
  // As the newest. There must be none under this key.
  void Add(const Hash128& key, uint64_t owner, base::Ref<Answer> answer);
  void RemoveOldest(Removed& removed) { Remove(*oldest_, removed); }
  void RemoveAllOf(uint64_t owner, Removed& removed);

  size_t entries() const { return entries_; }
  // What its answers are charged with, and its own.
  size_t bytes() const { return bytes_ + own_bytes_; }
  // Of all buckets there ever were.
  size_t own_bytes() const { return own_bytes_; }

 private:
  // All that a look-up reads which finds nothing, most often: an answer would be memory that nobody
  // has touched for long.
  struct Bucket {
    Answer* first = nullptr;
    std::atomic<uint32_t> tags{0};    // of its answers, a bit each
    std::atomic<uint32_t> missed{0};  // parts of two keys; the last one is the lower half
  };
  struct Buckets {
    explicit Buckets(size_t count) : count(count), all(std::make_unique<Bucket[]>(count)) {}

    Bucket& Of(const Hash128& key) const { return all[key.low & (count - 1)]; }

    const size_t count;  // a power of two
    const std::unique_ptr<Bucket[]> all;
  };

  static uint32_t TagOf(const Hash128& key) { return uint32_t{1} << (key.high & 31); }

  static void Enter(Answer& answer, Bucket& bucket);
  Bucket& BucketOf(const Hash128& key) const {
    return buckets_.load(std::memory_order_acquire)->Of(key);
  }
  void Use(std::unique_ptr<const Buckets> buckets);
  void Grow();
  Answer* FindRaw(const Hash128& key) const;
  void Remove(Answer& answer, Removed& removed);
  void Link(Answer& answer);
  void Unlink(Answer& answer);

  std::atomic<const Buckets*> buckets_;
  // The former ones too, which threads without the lock may still read.
  std::vector<std::unique_ptr<const Buckets>> all_buckets_;
  Answer* newest_ = nullptr;
  Answer* oldest_ = nullptr;
  size_t entries_ = 0;
  size_t bytes_ = 0;  // of answers
  size_t own_bytes_ = 0;
};

}  // namespace serving::cache
