// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_stream.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "net/connection.h"
#include "net/http2_session.h"
#include "net/io_thread.h"

namespace serving::net {
namespace {

using nghttp2::Field;

const uint8_t* Octets(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

void Http2Stream::FieldBlock::Add(const Header& header) {
  const auto name_size = static_cast<uint32_t>(header.name.size());
  const auto value_size = static_cast<uint32_t>(header.value.size());
  if (header.is_static) {
    fields.push_back({header.name.data(), header.value.data(), name_size, value_size});
    return;
  }
  text += header.name;
  text += header.value;
  fields.push_back({nullptr, nullptr, name_size, value_size});
}

void Http2Stream::FieldBlock::Clear() {
  text.clear();
  fields.clear();
  if (text.capacity() > ChunkPool::kSmall) text.shrink_to_fit();
}

std::span<const Field> Http2Stream::FieldBlock::View(std::vector<Field>& to) const {
  to.clear();
  const uint8_t* at = Octets(text);
  for (const Entry& entry : fields) {
    if (entry.name != nullptr) {
      to.push_back({Octets({entry.name, entry.name_size}), Octets({entry.value, entry.value_size}),
                    entry.name_size, entry.value_size, nghttp2::kFieldNoCopy});
      continue;
    }
    to.push_back({at, at + entry.name_size, entry.name_size, entry.value_size, nghttp2::kFlagNone});
    at += entry.name_size + entry.value_size;
  }
  return to;
}

Http2Stream::Http2Stream(IoThread& thread)
    : thread_(thread), body_(thread.chunks(), ChunkPool::kSmall) {}

void Http2Stream::Reset(Http2Session& session, int32_t id) {
  session_ = &session;
  connection_bytes_ = &session.connection_.exchange_bytes();
  exchange_ = nullptr;
  id_ = id;
  drain_position_ = 0;
  framed_bytes_ = 0;
  body_bytes_ = 0;
  body_started_ = paused_since_ = stalled_since_ = base::kNever;
  is_open_ = true;
  has_request_ = is_head_method_ = has_head_ = is_submitted_ = is_deferred_ = drops_body_ =
      is_finished_ = false;
  body_ended_ = is_paused_ = ends_framed_ = allows_slow_body_ = lingers_ = false;
  lingered_bytes_ = 0;
  aborted_.reset();
}

void Http2Stream::Queued() {
  session_->AddPending(*this);
  session_->connection_.ScheduleFlush();
}

void Http2Stream::SendHead(int status, std::span<const Header> headers,
                           std::optional<uint64_t> content_length) {
  SERVING_CHECK(!has_head_, "an answer has one head");
  has_head_ = true;
  drops_body_ = is_head_method_ || status == 204 || status == 304;
  if (status == 200) {
    head_.Add({":status", "200", true});
  } else {
    const std::array<char, 3> digits{static_cast<char>('0' + status / 100 % 10),
                                     static_cast<char>('0' + status / 10 % 10),
                                     static_cast<char>('0' + status % 10)};
    head_.Add({":status", {digits.data(), digits.size()}});
  }
  bool is_grpc = false;
  for (const Header& header : headers) {
    head_.Add(header);
    is_grpc =
        is_grpc || (header.name == "content-type" && header.value.starts_with("application/grpc"));
  }
  if (content_length && status != 204) {
    std::array<char, 24> number;
    const char* const end =
        std::to_chars(number.data(), number.data() + number.size(), *content_length).ptr;
    head_.Add({"content-length", {number.data(), static_cast<size_t>(end - number.data())}});
  }
  // gRPC servers send no date, and a value that changes every second would cost each connection an
  // entry in its compression table.
  if (!is_grpc) head_.Add({"date", thread_.http_date()});
  Queued();
}

void Http2Stream::SendBytes(std::span<const std::byte> bytes) {
  SERVING_CHECK(has_head_ && !is_finished_, "body bytes come behind the head and before the end");
  if (drops_body_) return;
  body_.Append(bytes);
  Queued();
}

void Http2Stream::SendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) {
  SERVING_CHECK(has_head_ && !is_finished_, "body bytes come behind the head and before the end");
  if (drops_body_) return;
  body_.AppendBuffer(std::move(owner), bytes);
  Queued();
}

void Http2Stream::Finish(std::span<const Header> trailers) {
  SERVING_CHECK(has_head_ && !is_finished_, "an answer ends once, after its head");
  for (const Header& trailer : trailers) trailers_.Add(trailer);
  is_finished_ = true;
  thread_.timers().Cancel(*this);
  session_->ReleaseHeld(*this);
  Queued();
}

void Http2Stream::SendTrailersOnly(std::span<const Header> fields) {
  SERVING_CHECK(!has_head_, "an answer of trailers only has no head before it");
  has_head_ = true;
  head_.Add({":status", "200", true});
  for (const Header& field : fields) head_.Add(field);
  is_finished_ = true;
  thread_.timers().Cancel(*this);
  session_->ReleaseHeld(*this);
  Queued();
}

void Http2Stream::Abort(AbortReason reason) {
  if (is_finished_) return;
  aborted_ = reason;
  is_finished_ = true;
  thread_.timers().Cancel(*this);
  session_->ReleaseHeld(*this);
  Queued();
}

void Http2Stream::ResumeBody() {
  if (!is_paused_) return;
  session_->has_resumed_ = true;
  is_paused_ = false;
  if (body_started_ != base::kNever) body_started_ += thread_.now() - paused_since_;
  session_->connection_.ScheduleRead();
}

size_t Http2Stream::unsent_bytes() const {
  return body_.size() + std::min(framed_bytes_, session_->connection_.unsent());
}

void Http2Stream::SetTimer(base::Instant when) {
  if (!is_finished_) thread_.timers().Arm(*this, when);
}

void Http2Stream::OnExpire() {
  if (lingers_) {
    session_->EndLinger(*this);
  } else if (exchange_ != nullptr) {
    exchange_->OnTimer();
  }
}

}  // namespace serving::net
