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
    : limit_(limit_bytes), secret_(MakeSecret()), shards_(ShardCount(limit_bytes)) {}

base::Ref<Answer> ResponseCache::Find(const Hash128& key) {
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  return shard.answers.Touch(key);
}

void ResponseCache::Insert(const Hash128& key, uint64_t owner,
                           const core::InferResponse& response) {
  const size_t bytes = Answer::ChargeOf(response);
  const size_t shard_limit = limit_ / shards_.size();
  if (bytes > shard_limit) return;
  Shard& shard = ShardOf(key);
  {
    AnswerTable::Removed removed;  // let go after the lock
    std::lock_guard lock(shard.mutex);
    if (shard.answers.Contains(key)) return;
    while (shard.answers.bytes() + bytes > shard_limit) shard.answers.RemoveOldest(removed);
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
  if (shard.answers.bytes() + bytes > shard_limit || shard.answers.Contains(key)) return;
  shard.answers.Add(key, owner, std::move(answer));
}

void ResponseCache::Forget(uint64_t owner) {
  for (Shard& shard : shards_) {
    AnswerTable::Removed removed;
    std::lock_guard lock(shard.mutex);
    shard.answers.RemoveAllOf(owner, removed);
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
