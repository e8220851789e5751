// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/call.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "frontend/io_handler.h"

namespace serving::frontend {
namespace {

constexpr size_t kFirstBodyBytes = 16 << 10;
constexpr size_t kChargeStepBytes = 512 << 10;

// Refused bodies are read and thrown away here, up to what net allows.
thread_local std::array<std::byte, 64 << 10> t_waste;

}  // namespace

void Call::Reset() {
  stream = nullptr;
  state = State::kReading;
  prefix_received = body_size = body_limit = body_offset = received = 0;
  is_length_known = is_compressed = has_head = is_counted = knows_codings = false;
  alias = AliasForm::kNone;
  load_form = LoadForm::kNone;
  request_coding = answer_coding = protocol::Coding::kIdentity;
  body.Reset();
  model.Reset();
  sink.Reset();
  json_length.reset();
  wanted.clear();
  generated.reset();
  client_memory.clear();
  flow.Reset();
  messages.reset();
  watched = 0;
  binary_by_default = false;
  forwarded.clear();
  row = nullptr;
  awaits_verdict = is_body_complete = varies_by_origin = false;
  allowed_origin.clear();
  grant.Reset();
  deadline = queue_expires = retry_body_at = control_expires = timer_at = base::kNever;
  starved_since = base::kNever;
  access.reset();
  answer_status = 0;
  trace.reset();
  trace_parent.clear();
  message_expires = base::kNever;
  awaits_model = false;
  demands = 0;
  control.reset();
}

void Call::HoldMessage() {
  message_expires = base::kNever;
  Rearm();
}

void Call::ResetMessage() {
  prefix_received = body_size = body_offset = received = 0;
  is_length_known = is_compressed = false;
  starved_since = base::kNever;
  body.Reset();
  stream->connection_bytes() -= std::exchange(charged, 0);
  if (message_expires == base::kNever) return;
  message_expires = base::kNever;
  Rearm();
}

void Call::MarkAnswered() {
  state = State::kAnswered;
  has_head = false;
  deadline = queue_expires = control_expires = retry_body_at = message_expires = base::kNever;
  Rearm();
}

void Call::Rearm() {
  const base::Instant earliest =
      std::min({deadline, queue_expires, retry_body_at, control_expires, message_expires});
  if (earliest == timer_at) return;
  timer_at = earliest;
  stream->SetTimer(earliest);
}

std::span<std::byte> Call::Swallow(size_t want) {
  return {t_waste.data(), std::min(want, t_waste.size())};
}

std::span<std::byte> Call::BodySpace(size_t want) {
  if (state != State::kReading) return Swallow(want);
  if (messages && (prefix_received == 0 || awaits_model) &&
      !messages->MayRead(flow.get(), awaits_verdict || awaits_model)) [[unlikely]]
    return {};
  if (is_grpc && prefix_received < prefix.size()) {
    return std::span(prefix).subspan(prefix_received,
                                     std::min(want, prefix.size() - prefix_received));
  }
  if (received == body_size && !GrowBody()) {
    return state == State::kReading ? std::span<std::byte>() : Swallow(want);
  }
  // Charged in steps as bytes arrive, so that a claim alone costs nothing.
  const size_t space = std::min({want, body_size - received, kChargeStepBytes});
  if (received + space > charged && !ChargeConnection(received + space)) return Swallow(want);
  if (!body->ChargeTo(received + space)) {
    handler_->PauseBody(*this);
    return state == State::kReading ? std::span<std::byte>() : Swallow(want);
  }
  return {body->data() + body_offset + received, space};
}

// A connection with many streams is to take no more than one request may. Not a pause: bodies that
// wait for each other would wait for ever.
bool Call::ChargeConnection(size_t to) {
  uint64_t& sum = stream->connection_bytes();
  const size_t more = to - charged;
  const size_t limit = handler_->connection_limit();
  if (sum + more > limit) {
    handler_->RefuseBody(
        *this, base::Unavailable("memory limit reached: the requests of one connection may hold " +
                                 std::to_string(limit) + " bytes together, retry later"));
    return false;
  }
  sum += more;
  charged = to;
  return true;
}

// Room for a body whose length nobody has told. False = refused, or out of memory for now.
bool Call::GrowBody() {
  if (is_length_known || is_grpc) {
    handler_->RefuseBody(
        *this, base::InvalidArgument("unexpected additional bytes behind the request message"));
    return false;
  }
  if (received >= body_limit) {
    handler_->RefuseBody(*this, base::InvalidArgument("request body is over the limit of " +
                                                      std::to_string(body_limit) + " bytes"));
    return false;
  }
  const size_t larger = std::min(std::max(kFirstBodyBytes, body_size * 2), body_limit);
  base::BufferRef grown = handler_->Reserve(larger);
  if (!grown || !grown->ChargeTo(received)) {
    handler_->PauseBody(*this);
    return false;
  }
  if (received != 0) std::memcpy(grown->data(), body->data(), received);
  body = std::move(grown);
  body_size = larger;
  return true;
}

void Call::BodyArrived(size_t n) {
  if (state != State::kReading) return;
  if (is_grpc && prefix_received < prefix.size()) {
    prefix_received += n;
    if (prefix_received == prefix.size()) handler_->OnGrpcPrefix(*this);
    if (messages) [[unlikely]]
      handler_->OnMessageBytes(*this);
    return;
  }
  received += n;
  if (messages) [[unlikely]]
    handler_->OnMessageBytes(*this);
}

void Call::OnBodyEnd() {
  if (state == State::kReading) handler_->OnRequestComplete(*this);
}

void Call::OnDrained() { handler_->OnCallDrained(*this); }

void Call::OnTimer() { handler_->OnCallTimer(*this); }

bool Call::IsDue(base::Instant now) const {
  return deadline != base::kNever && now - received_at >= (deadline - received_at) / 2;
}

void Call::OnClosed(bool answered) {
  stream->connection_bytes() -= std::exchange(charged, 0);
  if (messages) stream->connection_bytes() -= messages->charged();
  handler_->OnCallClosed(*this, answered);
}

Call& CallTable::Open() {
  if (free_ == nullptr) {
    calls_.push_back(std::make_unique<Call>(handler_, static_cast<uint32_t>(calls_.size())));
    free_ = calls_.back().get();
  }
  Call& call = *free_;
  free_ = call.next_free;
  call.next_free = nullptr;
  ++open_;
  return call;
}

void CallTable::Close(Call& call) {
  call.Reset();
  call.generation = (call.generation + 1) % kGenerations;
  call.next_free = free_;
  free_ = &call;
  --open_;
}

}  // namespace serving::frontend
