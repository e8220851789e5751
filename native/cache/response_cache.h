// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ref.h"
#include "cache/answer.h"
#include "cache/answer_table.h"
#include "cache/siphash.h"
#include "core/infer_response.h"

namespace serving::cache {

// Answers of all models under 128-bit keys: the least recently asked for go first when there is no
// room. In shards with a lock each, which hold their part of the bytes.
//
// While there is room, every answer is kept. In a full shard an answer takes the place of others
// only when its key was asked for a second time, so that requests which come once put nothing out
// and cost no copy.
//
// Threads: every function from any. A lock is held for a change of a table, never while bytes are
// copied, and never by a look-up that finds nothing.
class ResponseCache {
 public:
  explicit ResponseCache(size_t limit_bytes);

  // Secret of this process: whoever makes keys with it cannot be given two requests of one key.
  const std::array<uint64_t, 2>& secret() const { return secret_; }
  // Of one loaded version; never used twice.
  uint64_t NextOwner() { return next_owner_.fetch_add(1, std::memory_order_relaxed); }

  struct Found {
    base::Ref<Answer> answer;  // null when there is none
    bool is_wanted = false;    // there is none, and one that comes is to be inserted
  };

  Found Find(const Hash128& key);
  // Copies the answer. Passed over when it is larger than its shard may be, when what responses
  // still look at leaves no room, or when there is one already.
  void Insert(const Hash128& key, uint64_t owner, const core::InferResponse& response);
  void Forget(uint64_t owner);

  // Of answers and of what they are found by.
  size_t limit_bytes() const { return limit_; }
  // Of kept answers, and of those that were let go while responses look at them.
  size_t used_bytes() const { return used_->load(std::memory_order_relaxed); }
  size_t entries() const;

 private:
  struct Shard {
    mutable std::mutex mutex;
    AnswerTable answers;               // guarded by mutex, but for what any thread may ask
    std::atomic<bool> is_full{false};  // the last answer took the place of others
  };

  Shard& ShardOf(const Hash128& key) { return shards_[(key.high >> 32) * shards_.size() >> 32]; }

  const size_t limit_;
  const size_t shard_limit_;
  const std::array<uint64_t, 2> secret_;
  std::shared_ptr<std::atomic<size_t>> used_ = std::make_shared<std::atomic<size_t>>(0);
  std::atomic<uint64_t> next_owner_{1};
  std::vector<Shard> shards_;
};

}  // namespace serving::cache
