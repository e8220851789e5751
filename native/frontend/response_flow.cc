// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/response_flow.h"

#include <algorithm>
#include <string>
#include <variant>

namespace serving::frontend {
namespace {

// Names, shapes, frame heads and the objects themselves.
constexpr size_t kResponseOverhead = 512;

}  // namespace

size_t ResponseFlow::SizeOf(const core::InferResponse& response) const {
  size_t bytes = kResponseOverhead + response.status.message().size();
  for (const core::OutputTensor& output : response.outputs) bytes += output.view.size * expansion_;
  for (const core::ResponseParameter& parameter : response.parameters) {
    const auto* text = std::get_if<std::string>(&parameter.value);
    bytes += parameter.name.size() + (text != nullptr ? text->size() : sizeof(double));
  }
  return bytes;
}

bool ResponseFlow::HasRoomLocked(size_t bytes) const {
  if (is_closed_ || (BytesLocked() == 0 && ResponsesLocked() == 0)) return true;
  return bytes <= kMaxBytes && BytesLocked() <= kMaxBytes - bytes &&
         ResponsesLocked() < max_responses_;
}

void ResponseFlow::Enter(size_t bytes, bool may_wait, base::Waker& waker) {
  std::unique_lock lock(mutex_);
  if (may_wait) AwaitRoomLocked(lock, bytes, waker);
  queued_bytes_ += bytes;
  ++queued_responses_;
}

void ResponseFlow::AwaitRoom(base::Waker& waker) {
  std::unique_lock lock(mutex_);
  AwaitRoomLocked(lock, 1, waker);
}

void ResponseFlow::AwaitRoomLocked(std::unique_lock<std::mutex>& lock, size_t bytes,
                                   base::Waker& waker) {
  if (!HasRoomLocked(bytes)) waker.Wake();
  while (!HasRoomLocked(bytes)) {
    ++waiting_;
    room_.wait(lock, [this, seen = openings_] { return openings_ != seen; });
  }
}

void ResponseFlow::SettleLocked(size_t unsent) {
  unsent_bytes_ = unsent;
  while (!written_.empty() && written_.front() + unsent <= written_bytes_) written_.pop_front();
  // Not for every few bytes: a producer that is woken has half of the room to fill.
  if (waiting_ != 0 && BytesLocked() <= kMaxBytes / 2 && ResponsesLocked() <= max_responses_ / 2) {
    OpenLocked();
  }
}

void ResponseFlow::OpenLocked() {
  waiting_ = 0;  // who wakes and finds too little room counts anew
  ++openings_;
  room_.notify_all();
}

void ResponseFlow::Pass(size_t bytes, size_t written, size_t unsent) {
  const std::lock_guard lock(mutex_);
  queued_bytes_ -= bytes;
  --queued_responses_;
  written_bytes_ += written;
  if (written != 0 && max_responses_ != SIZE_MAX) written_.push_back(written_bytes_);
  SettleLocked(unsent);
}

void ResponseFlow::Settle(size_t unsent) {
  const std::lock_guard lock(mutex_);
  SettleLocked(unsent);
}

void ResponseFlow::Close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  OpenLocked();
}

bool ResponseFlow::is_full() const {
  const std::lock_guard lock(mutex_);
  return BytesLocked() >= kMaxBytes || ResponsesLocked() >= max_responses_;
}

size_t ResponseFlow::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

size_t ResponseFlow::bytes_on_their_way() const {
  const std::lock_guard lock(mutex_);
  return BytesLocked();
}

}  // namespace serving::frontend
