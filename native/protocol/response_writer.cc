// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/response_writer.h"

#include <algorithm>

namespace serving::protocol {
namespace {

constexpr size_t kFirstCapacity = 4096;
constexpr size_t kKeptCapacity =
    1 << 20;  // a larger scratch is given back, or memory stays at the largest answer

}  // namespace

void ResponseWriter::Clear() {
  used_ = 0;
  lent_.clear();
  parts_.clear();
  lent_bytes_ = 0;
  json_size_.reset();
  if (capacity_ > kKeptCapacity) {
    scratch_.reset();
    capacity_ = 0;
  }
}

void ResponseWriter::Grow(size_t bytes) {
  const size_t capacity = std::max({used_ + bytes, capacity_ * 2, kFirstCapacity});
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (used_ > 0) std::memcpy(larger.get(), scratch_.get(), used_);
  scratch_ = std::move(larger);
  capacity_ = capacity;
}

void ResponseWriter::AppendTensor(std::span<const std::byte> bytes, const base::BufferRef& owner) {
  if (bytes.size() < kLendBytes || !owner) {
    if (!bytes.empty()) Append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return;
  }
  lent_.push_back({used_, bytes, &owner});
  lent_bytes_ += bytes.size();
}

std::span<const MessagePart> ResponseWriter::Parts() {
  parts_.clear();
  size_t from = 0;
  const auto scratch_until = [&](size_t to) {
    if (to == from) return;
    parts_.push_back({std::as_bytes(std::span(scratch_.get() + from, to - from)), nullptr});
    from = to;
  };
  for (const Lent& lent : lent_) {
    scratch_until(lent.scratch_before);
    parts_.push_back({lent.bytes, lent.owner});
  }
  scratch_until(used_);
  return parts_;
}

}  // namespace serving::protocol
