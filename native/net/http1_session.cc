// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http1_session.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "net/connection.h"
#include "net/io_thread.h"

namespace serving::net {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Http1Session::Http1Session(Connection& connection)
    : connection_(connection),
      thread_(connection.thread()),
      parser_(connection.limits().max_header_bytes, connection.limits().keeps_header_names),
      idle_since_(connection.thread().now()) {}

Http1Session::~Http1Session() = default;

bool Http1Session::wants_read() const {
  return !is_stopped_ && !is_paused_ && (in_body_ || pipelined_ < kMaxPipelined);
}

void Http1Session::Receive(std::span<std::byte> data) {
  if (kept_.empty()) {
    const size_t used = Process(data);
    if (!is_stopped_) Keep(data.subspan(used));
    return;
  }
  if (kept_at_ > 0) {
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(kept_at_));
    kept_at_ = 0;
  }
  Keep(data);
  Continue();
}

void Http1Session::Keep(std::span<const std::byte> data) {
  kept_.insert(kept_.end(), data.begin(), data.end());
}

void Http1Session::Continue() {
  if (is_paused_) {
    is_paused_ = false;
    if (body_started_ != base::kNever) body_started_ += thread_.now() - paused_since_;
  }
  if (kept_.empty() || is_stopped_) return;
  kept_at_ += Process(std::span(kept_).subspan(kept_at_));
  if (kept_at_ < kept_.size() && !is_stopped_) return;
  kept_at_ = 0;
  kept_.clear();
  if (kept_.capacity() > ChunkPool::kLarge) kept_.shrink_to_fit();
}

size_t Http1Session::Process(std::span<std::byte> data) {
  size_t used = 0;
  while (!is_stopped_) {
    if (in_body_) {
      used += ReadBody(data.subspan(used));
      if (in_body_) break;
      continue;
    }
    if (used == data.size() || pipelined_ == kMaxPipelined) break;
    const std::span<std::byte> rest = data.subspan(used);
    switch (parser_.Parse({reinterpret_cast<char*>(rest.data()), rest.size()})) {
      case Http1HeadParser::State::kNeedMore:
        if (head_started_ == base::kNever) head_started_ = thread_.now();
        return used;
      case Http1HeadParser::State::kBad:
        RefuseHead(parser_.error());
        return used;
      case Http1HeadParser::State::kDone:
        head_started_ = base::kNever;
        used += parser_.size();
        StartRequest(used < data.size());
        break;
    }
  }
  return used;
}

Http1Stream* Http1Session::AddStream(const Http1Head* head) {
  Http1Stream* const stream = thread_.http1_streams().Take();
  stream->Reset(*this, head);
  (back_ == nullptr ? front_ : back_->next_) = stream;
  back_ = stream;
  if (answering_ == nullptr) answering_ = stream;
  ++pipelined_;
  return stream;
}

void Http1Session::StartRequest(bool is_followed_by_body) {
  const Http1Head& parsed = parser_.head();
  Http1Stream* const stream = AddStream(&parsed);
  keep_alive_ = parsed.keep_alive;
  in_body_ = parsed.has_body();
  is_chunked_ = parsed.is_chunked;
  body_left_ = parsed.content_length.value_or(0);
  body_bytes_ = 0;
  body_started_ = thread_.now();
  allows_slow_body_ = false;
  has_spoken_ = true;
  waits_for_continue_ = in_body_ && parsed.expects_continue && !is_followed_by_body;
  reading_ = stream;
  chunked_.Reset();

  RequestHead head;
  head.protocol = Protocol::kHttp1;
  head.method = parsed.method;
  head.path = parsed.path;
  head.query = parsed.query;
  head.headers = parsed.headers;
  head.written_names = parsed.written_names;
  head.content_length = parsed.content_length;
  head.has_body = in_body_;
  head.remote_address = connection_.remote_address();
  head.service = connection_.service();
  stream->exchange_ = thread_.handler().OnRequest(*stream, head);
  parser_.Reset();
  if (!in_body_) {
    EndBody();
    return;
  }
  if (waits_for_continue_ && !stream->has_head_) {
    waits_for_continue_ = false;
    stream->out().Append(Bytes("HTTP/1.1 100 Continue\r\n\r\n"));
    connection_.ScheduleFlush();
  }
}

size_t Http1Session::ReadBody(std::span<std::byte> data) {
  return is_chunked_ ? ReadChunkedBody(data) : ReadSizedBody(data);
}

size_t Http1Session::ReadSizedBody(std::span<const std::byte> data) {
  const auto part = static_cast<size_t>(std::min<uint64_t>(data.size(), body_left_));
  const size_t used = Deliver(data.first(part));
  body_left_ -= used;
  if (body_left_ == 0) EndBody();
  return used;
}

size_t Http1Session::ReadChunkedBody(std::span<const std::byte> data) {
  std::span<const std::byte> rest = data;
  while (true) {
    switch (chunked_.Next(rest)) {
      case ChunkedDecoder::State::kNeedMore:
        return data.size();
      case ChunkedDecoder::State::kData: {
        const auto part =
            static_cast<size_t>(std::min<uint64_t>(rest.size(), chunked_.data_left()));
        const size_t used = Deliver(rest.first(part));
        chunked_.Took(used);
        rest = rest.subspan(used);
        if (used < part) return data.size() - rest.size();
        break;
      }
      case ChunkedDecoder::State::kEnd:
        EndBody();
        return data.size() - rest.size();
      case ChunkedDecoder::State::kBad:
        FailBody(chunked_.error().status, chunked_.error().text);
        return data.size();
    }
  }
}

size_t Http1Session::Deliver(std::span<const std::byte> data) {
  size_t used = 0;
  while (used < data.size()) {
    if (discards()) {
      used = data.size();
      break;
    }
    const uint64_t want = is_chunked_ ? data.size() - used : body_left_ - used;
    const std::span<std::byte> space = reading_->exchange_->BodySpace(static_cast<size_t>(want));
    if (discards()) continue;
    if (space.empty()) {
      is_paused_ = true;
      paused_since_ = thread_.now();
      break;
    }
    const size_t n = std::min(space.size(), data.size() - used);
    std::memcpy(space.data(), data.data() + used, n);
    used += n;
    reading_->exchange_->BodyArrived(n);
  }
  body_bytes_ += used;
  return used;
}

std::span<std::byte> Http1Session::DirectSpace() {
  if (!in_body_ || is_chunked_ || body_left_ < kDirectFrom || !kept_.empty() || discards())
    return {};
  const std::span<std::byte> space =
      reading_->exchange_->BodySpace(static_cast<size_t>(body_left_));
  if (space.empty() && !discards()) {
    is_paused_ = true;
    paused_since_ = thread_.now();
  }
  if (discards()) return {};
  return space.first(std::min<uint64_t>(space.size(), body_left_));
}

void Http1Session::DirectArrived(size_t n) {
  body_left_ -= n;
  body_bytes_ += n;
  reading_->exchange_->BodyArrived(n);
  if (body_left_ == 0) EndBody();
}

// A body that has brought this much is no slow one, so that its time limits are in no danger when
// the thread looks at it less often.
uint64_t Http1Session::BytesOwed() const {
  const bool flows = in_body_ && !is_chunked_ && !is_paused_ && body_bytes_ >= kFlowsWellFrom;
  return flows ? body_left_ : 0;
}

void Http1Session::EndBody() {
  in_body_ = false;
  waits_for_continue_ = false;
  body_started_ = base::kNever;
  Http1Stream* const stream = reading_;
  const bool is_wanted = !discards();
  reading_ = nullptr;
  if (!keep_alive_) is_stopped_ = true;
  if (is_wanted) stream->exchange_->OnBodyEnd();
}

bool Http1Session::ShouldClose(const Http1Stream& stream) const {
  if (!stream.keep_alive_) return true;
  if (thread_.is_draining() && back_ == &stream) return true;
  if (!in_body_ || reading_ != &stream) return false;
  return is_chunked_ || waits_for_continue_ || body_left_ > kMaxDiscardBytes;
}

void Http1Session::OnFinished(Http1Stream& finished) {
  // What is left of its body nobody reads.
  if (reading_ == &finished) {
    reading_ = nullptr;
    if (is_paused_) connection_.ScheduleRead();
  }
  if (answering_ != &finished) return;
  OutputQueue& output = connection_.output();
  while (answering_ != nullptr && answering_->is_finished_) {
    Http1Stream& stream = *answering_;
    stream.end_position_ = output.queued();
    if (!stream.keep_alive_) {
      is_stopped_ = true;
      // A body that ends with the connection would look whole.
      if (stream.is_aborted_ && stream.ends_with_connection_) connection_.ResetAfterWrite();
      connection_.CloseAfterWrite(in_body_ || pipelined_ > 1 || !kept_.empty());
      answering_ = nullptr;
      return;
    }
    answering_ = stream.next_;
    if (answering_ != nullptr) answering_->staged_.MoveTo(output, answering_->staged_.size());
  }
}

void Http1Session::OnWritten() {
  const uint64_t sent = connection_.sent_position();
  const bool was_full = pipelined_ == kMaxPipelined;
  while (front_ != nullptr && front_->is_finished_ && front_ != answering_ &&
         front_->end_position_ != 0 && front_->end_position_ <= sent) {
    Http1Stream* const stream = front_;
    front_ = stream->next_;
    if (front_ == nullptr) back_ = nullptr;
    Release(stream, !stream->is_aborted_);
  }
  if (front_ == nullptr) idle_since_ = thread_.now();
  if (was_full && pipelined_ < kMaxPipelined) connection_.ScheduleRead();
  if (answering_ != nullptr && answering_->has_undrained_ && connection_.unsent() == 0) {
    answering_->has_undrained_ = false;
    if (answering_->exchange_ != nullptr) answering_->exchange_->OnDrained();
  }
}

void Http1Session::Release(Http1Stream* stream, bool is_answered) {
  if (reading_ == stream) reading_ = nullptr;
  --pipelined_;
  Exchange* const exchange = stream->exchange_;
  stream->exchange_ = nullptr;
  thread_.timers().Cancel(*stream);
  if (exchange != nullptr) exchange->OnClosed(is_answered);
  thread_.timers().Cancel(*stream);
  stream->staged_.Clear();
  thread_.http1_streams().GiveBack(stream);
}

void Http1Session::SendError(Http1Stream& stream, int status, std::string_view text) {
  std::string body = "{\"error\":\"";
  body += text;
  body += "\"}";
  const Header type{"Content-Type", "application/json"};
  stream.keep_alive_ = false;
  stream.SendHead(status, {&type, 1}, body.size());
  stream.SendBytes(Bytes(body));
  stream.Finish({});
}

void Http1Session::RefuseHead(const Http1Error& error) {
  if (error.is_foreign && !has_spoken_ && connection_.allows_http2()) {
    // Where HTTP/2 is spoken too, text would be taken for frames (RFC 9113 §3.4).
    is_stopped_ = true;
    connection_.CloseAfterWrite(true);
    return;
  }
  Refuse(error.status, error.text);
}

void Http1Session::Refuse(int status, std::string_view text) {
  is_stopped_ = true;
  SendError(*AddStream(nullptr), status, text);
}

void Http1Session::FailBody(int status, std::string_view text) {
  is_stopped_ = true;
  Http1Stream* const stream = reading_;
  if (stream == nullptr) {
    // Answered already: the connection cannot be used again.
    connection_.CloseAfterWrite(true);
    return;
  }
  Exchange* const exchange = stream->exchange_;
  stream->exchange_ = nullptr;
  thread_.timers().Cancel(*stream);
  if (exchange != nullptr) exchange->OnClosed(false);
  if (stream->is_finished_) return;
  if (!stream->has_head_) {
    SendError(*stream, status, text);
  } else {
    stream->Abort(AbortReason::kInternalError);
  }
}

void Http1Session::CheckDeadlines(base::Instant now) {
  const Limits& limits = connection_.limits();
  if (is_stopped_) return;
  // While nothing is read, the rest is not the peer's fault.
  if (head_started_ != base::kNever && !connection_.CanRead()) head_started_ = now;
  if (limits.head_timeout.count() > 0 && head_started_ != base::kNever &&
      now >= head_started_ + limits.head_timeout) {
    Refuse(408, "the request's headers did not come in time");
    return;
  }
  if (in_body_ && !is_paused_ && !allows_slow_body_) {
    const base::Nanoseconds spent = now - body_started_;
    if (limits.body_timeout.count() > 0 && spent >= limits.body_timeout) {
      FailBody(408, "the request's body did not come in time");
      return;
    }
    const double seconds = std::chrono::duration<double>(spent).count();
    if (limits.min_body_bytes_per_second > 0 && seconds > 5 &&
        static_cast<double>(body_bytes_) <
            seconds * static_cast<double>(limits.min_body_bytes_per_second)) {
      FailBody(408, "the request's body comes too slowly");
      return;
    }
  }
  if (limits.idle_timeout.count() > 0 && front_ == nullptr && !in_body_ &&
      head_started_ == base::kNever && now >= idle_since_ + limits.idle_timeout) {
    is_stopped_ = true;
    connection_.CloseAfterWrite(false);
  }
}

void Http1Session::Abort() {
  is_stopped_ = true;
  in_body_ = false;
  reading_ = answering_ = nullptr;
  while (front_ != nullptr) {
    Http1Stream* const stream = front_;
    front_ = stream->next_;
    Release(stream, false);
  }
  back_ = nullptr;
}

}  // namespace serving::net
