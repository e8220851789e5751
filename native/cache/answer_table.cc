// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/answer_table.h"

#include <utility>

namespace serving::cache {

AnswerTable::Removed::~Removed() {
  while (first_ != nullptr) {
    const auto answer = base::Ref<Answer>::Adopt(first_);
    first_ = answer->older_;
  }
}

AnswerTable::~AnswerTable() {
  Removed all;
  while (oldest_ != nullptr) RemoveOldest(all);
}

Answer* AnswerTable::FindRaw(const Hash128& key) const {
  Answer* answer = buckets_[BucketOf(key)];
  while (answer != nullptr && answer->key_ != key) answer = answer->next_in_bucket_;
  return answer;
}

base::Ref<Answer> AnswerTable::Touch(const Hash128& key) {
  Answer* const answer = FindRaw(key);
  if (answer == nullptr) return nullptr;
  if (answer != newest_) {
    Unlink(*answer);
    Link(*answer);
  }
  return base::Ref<Answer>::Share(answer);
}

void AnswerTable::Add(const Hash128& key, uint64_t owner, base::Ref<Answer> added) {
  if (entries_ == buckets_.size()) Grow();
  Answer& answer = *added.Release();
  answer.key_ = key;
  answer.owner_ = owner;
  answer.next_in_bucket_ = std::exchange(buckets_[BucketOf(key)], &answer);
  Link(answer);
  ++entries_;
  bytes_ += answer.charged_bytes();
}

void AnswerTable::RemoveAllOf(uint64_t owner, Removed& removed) {
  for (Answer* answer = newest_; answer != nullptr;) {
    Answer* const next = answer->older_;
    if (answer->owner_ == owner) Remove(*answer, removed);
    answer = next;
  }
}

void AnswerTable::Remove(Answer& answer, Removed& removed) {
  Answer** link = &buckets_[BucketOf(answer.key_)];
  while (*link != &answer) link = &(*link)->next_in_bucket_;
  *link = answer.next_in_bucket_;
  Unlink(answer);
  --entries_;
  bytes_ -= answer.charged_bytes();
  answer.older_ = std::exchange(removed.first_, &answer);
}

void AnswerTable::Link(Answer& answer) {
  answer.newer_ = nullptr;
  answer.older_ = std::exchange(newest_, &answer);
  (answer.older_ == nullptr ? oldest_ : answer.older_->newer_) = &answer;
}

void AnswerTable::Unlink(Answer& answer) {
  (answer.newer_ == nullptr ? newest_ : answer.newer_->older_) = answer.older_;
  (answer.older_ == nullptr ? oldest_ : answer.older_->newer_) = answer.newer_;
}

void AnswerTable::Grow() {
  buckets_.assign(buckets_.size() * 2, nullptr);
  for (Answer* answer = newest_; answer != nullptr; answer = answer->older_)
    answer->next_in_bucket_ = std::exchange(buckets_[BucketOf(answer->key_)], answer);
}

}  // namespace serving::cache
