// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/message_stream.h"

#include <utility>

namespace serving::frontend {

MessageStream::~MessageStream() {
  for (StreamRequest& request : requests_) {
    while (core::InferResponse* response = TakeHeld(request)) NetSink::Recycle(response);
  }
}

bool MessageStream::HasRoom(const ResponseFlow* flow) const {
  if (flow != nullptr && flow->is_full()) return false;
  return unanswered_ < (one_at_a_time_ ? 1 : kMaxUnanswered) &&
         unanswered_bytes_ < kMaxUnansweredBytes;
}

bool MessageStream::MayRead(const ResponseFlow* flow, bool is_blocked) {
  is_held_ = is_blocked || !HasRoom(flow);
  return !is_held_;
}

bool MessageStream::TakeHold(const ResponseFlow* flow) {
  return is_held_ && HasRoom(flow) && std::exchange(is_held_, false);
}

uint32_t MessageStream::Open(bool is_ordered) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(requests_.size()));
    requests_.emplace_back();
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  requests_[slot].is_open = true;
  requests_[slot].is_ordered = is_ordered;
  if (is_ordered) order_.push_back(slot);
  ++unanswered_;
  return slot;
}

void MessageStream::CountBytes(StreamRequest& request, size_t bytes, size_t charged) {
  request.body_bytes = bytes;
  request.charged = charged;
  unanswered_bytes_ += bytes;
  charged_ += charged;
}

StreamRequest* MessageStream::Find(const NetSink& sink) {
  // By pointer: the response keeps its sink alive, so no other request can have the same.
  if (sink.request() >= requests_.size()) return nullptr;
  StreamRequest& request = requests_[sink.request()];
  return request.is_open && request.sink.get() == &sink ? &request : nullptr;
}

bool MessageStream::IsTurn(uint32_t slot) const {
  return !requests_[slot].is_ordered || order_.front() == slot;
}

StreamRequest* MessageStream::Front() {
  return order_.empty() ? nullptr : &requests_[order_.front()];
}

size_t MessageStream::Close(uint32_t slot) {
  StreamRequest& request = requests_[slot];
  if (request.is_ordered) order_.pop_front();
  request.model.Reset();
  request.sink.Reset();
  request.id.clear();
  request.wanted.clear();
  request.client_memory.clear();
  request.refusal.clear();
  request.queue_expires = base::kNever;
  request.is_open = request.wants_empty_final = false;
  unanswered_bytes_ -= std::exchange(request.body_bytes, 0);
  const size_t charged = std::exchange(request.charged, 0);
  charged_ -= charged;
  --unanswered_;
  free_.push_back(slot);
  return charged;
}

void MessageStream::Hold(StreamRequest& request, core::InferResponse* response) {
  response->next = nullptr;
  (request.first_held == nullptr ? request.first_held : request.last_held->next) = response;
  request.last_held = response;
}

core::InferResponse* MessageStream::TakeHeld(StreamRequest& request) {
  core::InferResponse* response = request.first_held;
  if (response != nullptr) request.first_held = std::exchange(response->next, nullptr);
  return response;
}

}  // namespace serving::frontend
