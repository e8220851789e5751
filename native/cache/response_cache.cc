// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/response_cache.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace serving::cache {
namespace {

// No shard is smaller: an answer has to fit into one.
constexpr size_t kSmallestShardBytes = 16 << 20;
constexpr size_t kMostShards = 16;
// Of an answer besides its tensors: the object, its place in the table and the list.
constexpr size_t kEntryBytes = 256;

size_t ShardCount(size_t limit_bytes) {
  return std::clamp<size_t>(limit_bytes / kSmallestShardBytes, 1, kMostShards);
}

std::array<uint64_t, 2> MakeSecret() {
  std::array<uint64_t, 2> secret;
  SERVING_CHECK(getrandom(secret.data(), sizeof secret, 0) == sizeof secret,
                "the kernel gave no random bytes");
  return secret;
}

size_t Aligned(size_t bytes) {
  return (bytes + base::kBufferAlignment - 1) / base::kBufferAlignment * base::kBufferAlignment;
}

size_t BlockBytes(const core::InferResponse& response) {
  size_t bytes = base::kBufferPadding;
  for (const core::OutputTensor& output : response.outputs) bytes += Aligned(output.view.size);
  return bytes;
}

size_t ChargeOf(const core::InferResponse& response) {
  size_t bytes = kEntryBytes + BlockBytes(response);
  bytes += response.outputs.size() * sizeof(core::OutputTensor);
  for (const core::ResponseParameter& parameter : response.parameters) {
    bytes += sizeof parameter + parameter.name.size();
    if (const auto* text = std::get_if<std::string>(&parameter.value)) bytes += text->size();
  }
  return bytes;
}

}  // namespace

Answer::~Answer() {
  if (used_) used_->fetch_sub(charged_, std::memory_order_relaxed);
  std::free(data_);
}

void Answer::FillIn(core::InferResponse& response) const {
  for (const core::OutputTensor& output : outputs_) {
    response.outputs.push_back(output);
    response.outputs.back().owner = base::BufferRef::Share(const_cast<Answer*>(this));
  }
  response.parameters = parameters_;
}

ResponseCache::ResponseCache(size_t limit_bytes)
    : limit_(limit_bytes), secret_(MakeSecret()), shards_(ShardCount(limit_bytes)) {}

base::Ref<Answer> ResponseCache::Find(const Hash128& key) {
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  if (found == shard.by_key.end()) return nullptr;
  shard.entries.splice(shard.entries.begin(), shard.entries, found->second);
  return found->second->answer;
}

base::Ref<Answer> ResponseCache::Copy(const core::InferResponse& response, size_t bytes) const {
  auto answer = base::Ref<Answer>::Adopt(new Answer);
  answer->capacity_ = Aligned(BlockBytes(response));
  answer->data_ =
      static_cast<std::byte*>(std::aligned_alloc(base::kBufferAlignment, answer->capacity_));
  if (answer->data_ == nullptr) return nullptr;
  std::byte* out = answer->data_;
  for (const core::OutputTensor& output : response.outputs) {
    core::OutputTensor& kept = answer->outputs_.emplace_back();
    kept.slot = output.slot;
    kept.data_type = output.data_type;
    kept.shape = output.shape;
    kept.view = {.data = out, .size = output.view.size};
    if (output.view.size != 0) std::memcpy(out, output.view.data, output.view.size);
    out += Aligned(output.view.size);
  }
  answer->parameters_ = response.parameters;
  answer->charged_ = bytes;
  answer->used_ = used_;
  return answer;
}

void ResponseCache::Insert(const Hash128& key, uint64_t owner,
                           const core::InferResponse& response) {
  const size_t bytes = ChargeOf(response);
  const size_t shard_limit = limit_ / shards_.size();
  if (bytes > shard_limit) return;
  Shard& shard = ShardOf(key);
  std::list<Entry> dropped;  // freed after the lock
  {
    std::lock_guard lock(shard.mutex);
    if (shard.by_key.contains(key)) return;
    while (shard.bytes + bytes > shard_limit) {
      const auto last = std::prev(shard.entries.end());
      shard.bytes -= last->answer->charged_bytes();
      shard.by_key.erase(last->key);
      dropped.splice(dropped.end(), shard.entries, last);
    }
  }
  dropped.clear();
  if (used_->fetch_add(bytes, std::memory_order_relaxed) + bytes > limit_) {
    used_->fetch_sub(bytes, std::memory_order_relaxed);
    return;
  }
  base::Ref<Answer> answer = Copy(response, bytes);
  if (!answer) {
    used_->fetch_sub(bytes, std::memory_order_relaxed);
    return;
  }
  std::lock_guard lock(shard.mutex);
  // Others have been here meanwhile.
  if (shard.bytes + bytes > shard_limit || shard.by_key.contains(key)) return;
  shard.entries.push_front({key, owner, std::move(answer)});
  shard.by_key.emplace(key, shard.entries.begin());
  shard.bytes += bytes;
}

void ResponseCache::Forget(uint64_t owner) {
  for (Shard& shard : shards_) {
    std::list<Entry> dropped;
    std::lock_guard lock(shard.mutex);
    for (auto at = shard.entries.begin(); at != shard.entries.end();) {
      const auto entry = at++;
      if (entry->owner != owner) continue;
      shard.bytes -= entry->answer->charged_bytes();
      shard.by_key.erase(entry->key);
      dropped.splice(dropped.end(), shard.entries, entry);
    }
  }
}

size_t ResponseCache::entries() const {
  size_t count = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    count += shard.entries.size();
  }
  return count;
}

}  // namespace serving::cache
