// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ref.h"
#include "cache/answer.h"

namespace serving::cache {

// Answers under their keys, in the order in which they were last asked for. Links are within the
// answers, so nothing is allocated but the buckets, which double.
//
// Threads: one at a time.
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

  AnswerTable() = default;
  ~AnswerTable();
  AnswerTable(const AnswerTable&) = delete;
  AnswerTable& operator=(const AnswerTable&) = delete;

  bool Contains(const Hash128& key) const { return FindRaw(key) != nullptr; }
  // Null when there is none. It is the newest from then on.
  base::Ref<Answer> Touch(const Hash128& key);
  // As the newest. There must be none under this key.
  void Add(const Hash128& key, uint64_t owner, base::Ref<Answer> answer);
  void RemoveOldest(Removed& removed) { Remove(*oldest_, removed); }
  void RemoveAllOf(uint64_t owner, Removed& removed);

  size_t entries() const { return entries_; }
  // What its answers are charged with.
  size_t bytes() const { return bytes_; }

 private:
  Answer* FindRaw(const Hash128& key) const;
  void Remove(Answer& answer, Removed& removed);
  void Link(Answer& answer);
  void Unlink(Answer& answer);
  void Grow();
  size_t BucketOf(const Hash128& key) const { return key.low & (buckets_.size() - 1); }

  std::vector<Answer*> buckets_ = std::vector<Answer*>(64);  // a power of two
  Answer* newest_ = nullptr;
  Answer* oldest_ = nullptr;
  size_t entries_ = 0;
  size_t bytes_ = 0;
};

}  // namespace serving::cache
