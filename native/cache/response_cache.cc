// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/response_cache.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace serving::cache {
namespace {

// No shard is smaller: an answer has to fit into one.
constexpr size_t kSmallestShardBytes = 16 << 20;
constexpr size_t kMostShards = 16;

size_t ShardCount(size_t limit_bytes) {
  return std::clamp<size_t>(limit_bytes / kSmallestShardBytes, 1, kMostShards);
}

std::array<uint64_t, 2> MakeSecret() {
  std::array<uint64_t, 2> secret;
  SERVING_CHECK(getrandom(secret.data(), sizeof secret, 0) == sizeof secret,
                "the kernel gave no random bytes");
  return secret;
}

}  // namespace

ResponseCache::ResponseCache(size_t limit_bytes)
    : limit_(limit_bytes),
      shard_limit_(limit_bytes / ShardCount(limit_bytes)),
      secret_(MakeSecret()),
      shards_(ShardCount(limit_bytes)) {}

ResponseCache::Found ResponseCache::Find(const Hash128& key) {
  Shard& shard = ShardOf(key);
  Found found;
  if (shard.answers.MayContain(key)) {
    std::lock_guard lock(shard.mutex);
    found.answer = shard.answers.Touch(key);
  }
  if (!found.answer) {
    found.is_wanted =
        !shard.is_full.load(std::memory_order_relaxed) || shard.answers.MissedBefore(key);
  }
  return found;
}

void ResponseCache::Insert(const Hash128& key, uint64_t owner,
                           const core::InferResponse& response) {
  const size_t bytes = Answer::ChargeOf(response);
  Shard& shard = ShardOf(key);
  {
    AnswerTable::Removed removed;  // let go after the lock
    std::lock_guard lock(shard.mutex);
    if (shard.answers.Contains(key)) return;
    if (shard.answers.own_bytes() + bytes > shard_limit_) return;
    shard.is_full = shard.answers.bytes() + bytes > shard_limit_;
    while (shard.answers.bytes() + bytes > shard_limit_) shard.answers.RemoveOldest(removed);
  }
  if (used_->fetch_add(bytes, std::memory_order_relaxed) + bytes > limit_) {
    used_->fetch_sub(bytes, std::memory_order_relaxed);
    return;
  }
  base::Ref<Answer> answer = Answer::Copy(response, bytes, used_);
  if (!answer) {
    used_->fetch_sub(bytes, std::memory_order_relaxed);
    return;
  }
  std::lock_guard lock(shard.mutex);
  // Others have been here meanwhile.
  if (shard.answers.bytes() + bytes > shard_limit_ || shard.answers.Contains(key)) return;
  shard.answers.Add(key, owner, std::move(answer));
}

void ResponseCache::Forget(uint64_t owner) {
  for (Shard& shard : shards_) {
    AnswerTable::Removed removed;
    std::lock_guard lock(shard.mutex);
    shard.answers.RemoveAllOf(owner, removed);
    shard.is_full = false;
  }
}

size_t ResponseCache::entries() const {
  size_t count = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    count += shard.answers.entries();
  }
  return count;
}

}  // namespace serving::cache
