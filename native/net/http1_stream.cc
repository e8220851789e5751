// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http1_stream.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "base/check.h"
#include "net/connection.h"
#include "net/http1_session.h"
#include "net/http_status.h"
#include "net/io_thread.h"
#include "net/text_scan.h"

namespace serving::net {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Room for a decimal or hexadecimal 64-bit number.
using NumberText = std::array<char, 24>;

std::string_view Write(NumberText& to, uint64_t value, int number_base) {
  const auto end = std::to_chars(to.data(), to.data() + to.size(), value, number_base).ptr;
  return {to.data(), static_cast<size_t>(end - to.data())};
}

// A line break in a value that came from outside must not become a header of its own.
void AppendValue(std::string& to, std::string_view value) {
  const size_t start = to.size();
  to += value;
  if (!HasControls(value)) [[likely]]
    return;
  for (size_t i = start; i < to.size(); ++i) {
    if (to[i] == '\r' || to[i] == '\n' || to[i] == '\0') to[i] = ' ';
  }
}

}  // namespace

Http1Stream::Http1Stream(IoThread& thread)
    : thread_(thread), staged_(thread.chunks(), ChunkPool::kSmall) {}

void Http1Stream::Reset(Http1Session& session, const Http1Head* head) {
  session_ = &session;
  connection_bytes_ = &session.connection_.exchange_bytes();
  exchange_ = nullptr;
  next_ = nullptr;
  end_position_ = 0;
  content_left_.reset();
  is_http10_ = head != nullptr && head->minor_version == 0;
  is_head_method_ = head != nullptr && head->method == "HEAD";
  keep_alive_ = head != nullptr && head->keep_alive;
  has_head_ = drops_body_ = is_chunked_ = ends_with_connection_ = is_finished_ = is_aborted_ =
      has_undrained_ = false;
}

OutputQueue& Http1Stream::out() {
  return session_->answering_ == this ? session_->connection_.output() : staged_;
}

void Http1Stream::Queued() {
  has_undrained_ = true;
  session_->connection_.ScheduleFlush();
}

void Http1Stream::SendHead(int status, std::span<const Header> headers,
                           std::optional<uint64_t> content_length) {
  SERVING_CHECK(!has_head_, "an answer has one head");
  has_head_ = true;
  drops_body_ = is_head_method_ || status == 204 || status == 304;
  is_chunked_ = !drops_body_ && !content_length && !is_http10_;
  content_left_ = content_length;
  ends_with_connection_ = is_http10_ && !drops_body_ && !content_length;
  if (session_->ShouldClose(*this) || ends_with_connection_) keep_alive_ = false;

  std::string& text = thread_.text_scratch();
  text.clear();
  NumberText number;
  text += "HTTP/1.1 ";
  text += Write(number, static_cast<uint64_t>(status), 10);
  text += ' ';
  text += ReasonPhrase(status);
  text += "\r\n";
  for (const Header& header : headers) {
    AppendValue(text, header.name);
    text += ": ";
    AppendValue(text, header.value);
    text += "\r\n";
  }
  if (content_length && status != 204) {
    text += "Content-Length: ";
    text += Write(number, *content_length, 10);
    text += "\r\n";
  }
  if (is_chunked_) text += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive_) {
    text += "Connection: close\r\n";
  } else if (is_http10_) {
    text += "Connection: keep-alive\r\n";
  }
  text += "Date: ";
  text += thread_.http_date();
  text += "\r\n\r\n";
  out().Append(Bytes(text));
  Queued();
}

size_t Http1Stream::Admit(size_t n) {
  SERVING_CHECK(has_head_, "an answer's body comes after its head");
  if (drops_body_ || is_finished_) return 0;
  if (!content_left_) return n;
  const auto admitted = static_cast<size_t>(std::min<uint64_t>(n, *content_left_));
  *content_left_ -= admitted;
  return admitted;
}

void Http1Stream::OpenChunk(size_t n) {
  if (!is_chunked_) return;
  NumberText number;
  out().Append(Bytes(Write(number, n, 16)));
  out().Append(Bytes("\r\n"));
}

void Http1Stream::CloseChunk() {
  if (is_chunked_) out().Append(Bytes("\r\n"));
}

void Http1Stream::SendBytes(std::span<const std::byte> bytes) {
  const size_t n = Admit(bytes.size());
  if (n == 0) return;
  OpenChunk(n);
  out().Append(bytes.first(n));
  CloseChunk();
  Queued();
}

void Http1Stream::SendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) {
  const size_t n = Admit(bytes.size());
  if (n == 0) return;
  OpenChunk(n);
  out().AppendBuffer(std::move(owner), bytes.first(n));
  CloseChunk();
  Queued();
}

void Http1Stream::Finish(std::span<const Header>) {
  SERVING_CHECK(has_head_ && !is_finished_, "an answer ends once, after its head");
  if (is_chunked_) out().Append(Bytes("0\r\n\r\n"));
  // A shorter body than announced: only the end of the connection can tell the peer.
  if (!drops_body_ && content_left_.value_or(0) > 0) keep_alive_ = false;
  is_finished_ = true;
  thread_.timers().Cancel(*this);
  Queued();
  session_->OnFinished(*this);
}

void Http1Stream::SendTrailersOnly(std::span<const Header>) {
  SERVING_CHECK(false, "HTTP/1.1 has no answers of trailers only");
}

void Http1Stream::Abort(AbortReason) {
  if (is_finished_) return;
  // Neither the last chunk nor the bytes that Content-Length promises: the end of the connection
  // is then seen as what it is.
  is_finished_ = is_aborted_ = true;
  keep_alive_ = false;
  thread_.timers().Cancel(*this);
  Queued();
  session_->OnFinished(*this);
}

void Http1Stream::AllowSlowBody() {
  if (session_->reading_ == this) session_->allows_slow_body_ = true;
}

void Http1Stream::ResumeBody() {
  if (session_->reading_ == this && session_->is_paused_) session_->connection_.ScheduleRead();
}

size_t Http1Stream::unsent_bytes() const {
  if (session_->answering_ != this && !is_finished_) return staged_.size();
  return has_undrained_ ? staged_.size() + session_->connection_.unsent() : 0;
}

void Http1Stream::SetTimer(base::Instant when) {
  if (!is_finished_) thread_.timers().Arm(*this, when);
}

void Http1Stream::OnExpire() {
  if (exchange_ != nullptr) exchange_->OnTimer();
}

}  // namespace serving::net
