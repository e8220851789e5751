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

AnswerTable::AnswerTable() { Use(std::make_unique<Buckets>(1)); }

AnswerTable::~AnswerTable() {
  Removed all;
  while (oldest_ != nullptr) RemoveOldest(all);
}

bool AnswerTable::MayContain(const Hash128& key) const {
  return (BucketOf(key).tags.load(std::memory_order_relaxed) & TagOf(key)) != 0;
}

// Of two threads one may forget what the other has missed.
bool AnswerTable::MissedBefore(const Hash128& key) {
  std::atomic<uint32_t>& missed = BucketOf(key).missed;
  const uint32_t before = missed.load(std::memory_order_relaxed);
  const uint32_t part = key.high & 0xffff;
  if ((before & 0xffff) == part || before >> 16 == part) return true;
  missed.store(before << 16 | part, std::memory_order_relaxed);
  return false;
}

Answer* AnswerTable::FindRaw(const Hash128& key) const {
  if (!MayContain(key)) return nullptr;
  Answer* answer = BucketOf(key).first;
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
  if (entries_ == 2 * all_buckets_.back()->count) Grow();
  Answer& answer = *added.Release();
  answer.key_ = key;
  answer.owner_ = owner;
  Enter(answer, BucketOf(key));
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
  Bucket& bucket = BucketOf(answer.key_);
  uint32_t tags = 0;  // of the others
  for (Answer** link = &bucket.first; *link != nullptr;) {
    if (*link == &answer) {
      *link = answer.next_in_bucket_;
    } else {
      tags |= TagOf((*link)->key_);
      link = &(*link)->next_in_bucket_;
    }
  }
  bucket.tags.store(tags, std::memory_order_relaxed);
  Unlink(answer);
  --entries_;
  bytes_ -= answer.charged_bytes();
  answer.older_ = std::exchange(removed.first_, &answer);
}

void AnswerTable::Enter(Answer& answer, Bucket& bucket) {
  answer.next_in_bucket_ = std::exchange(bucket.first, &answer);
  bucket.tags.fetch_or(TagOf(answer.key_), std::memory_order_relaxed);
}

void AnswerTable::Use(std::unique_ptr<const Buckets> buckets) {
  own_bytes_ += buckets->count * sizeof(Bucket);
  all_buckets_.push_back(std::move(buckets));
  buckets_.store(all_buckets_.back().get(), std::memory_order_release);
}

// Forgets what was missed: who grows has room for all that come.
void AnswerTable::Grow() {
  auto buckets = std::make_unique<Buckets>(2 * all_buckets_.back()->count);
  for (Answer* answer = newest_; answer != nullptr; answer = answer->older_)
    Enter(*answer, buckets->Of(answer->key_));
  Use(std::move(buckets));
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

}  // namespace serving::cache
