// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/connection.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/http1_session.h"
#include "net/http2_session.h"

namespace serving::net {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// For a connection that is closing when no write timeout is set: it must not wait for ever.
constexpr base::Nanoseconds kClosingWriteTimeout = std::chrono::seconds(30);
// From accept to the end of TLS's handshake, unless a head must come sooner: gRPC's own limit.
constexpr base::Nanoseconds kHandshakeTimeout = std::chrono::seconds(120);

std::string Refusal(std::string_view text) {
  std::string body = "{\"error\":\"";
  body += text;
  body += "\"}";
  std::string answer =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
      "Content-Length: ";
  answer += std::to_string(body.size());
  answer += "\r\n\r\n";
  answer += body;
  return answer;
}

}  // namespace

Connection::Connection(IoThread& thread, AcceptedSocket socket)
    : thread_(thread),
      socket_(std::move(socket)),
      output_(thread.chunks()),
      opened_(thread.now()) {}

Connection::~Connection() = default;

bool Connection::Open() {
  if (socket_.tls) {
    tls_ = socket_.tls->Accept(socket_.fd, thread_.chunks());
    if (!tls_) return false;
  }
  // Edge-triggered and for everything at once: no further epoll_ctl in the connection's life.
  if (!thread_.Watch(socket_.fd, *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) return false;
  Arm();
  return true;
}

void Connection::OnEvents(uint32_t events) {
  if (state_ == State::kClosed) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    Close();
    return;
  }
  if ((events & EPOLLOUT) != 0 && !is_writable_) {
    is_writable_ = true;
    ScheduleFlush();
  }
  if ((events & EPOLLRDHUP) != 0) peer_has_ended_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) {
    MarkReadable();
    Read();
  }
}

void Connection::MarkReadable() {
  is_readable_ = true;
  if (tls_) tls_->OnReadable(peer_has_ended_);
}

bool Connection::CanRead() const {
  // A peer that takes no answer of TLS itself is not heard either.
  if (tls_ && tls_->unsent() >= limits().max_queued_write_bytes) return false;
  switch (state_) {
    case State::kOpening:
    case State::kLingering:
      return true;
    case State::kOpen:
      return session_->wants_read() && output_.copied_size() < limits().max_queued_write_bytes;
    case State::kClosing:
    case State::kClosed:
      return false;
  }
  return false;
}

void Connection::Read() {
  if (is_read_scheduled_) {
    is_read_scheduled_ = false;
    if (state_ == State::kOpen) session_->Continue();
  }
  size_t budget = kReadBytesPerTurn;
  while (is_readable_ && budget > 0 && CanRead()) {
    std::span<std::byte> space;
    const bool has_session = state_ == State::kOpen;
    if (has_session) space = session_->DirectSpace();
    if (!CanRead()) break;  // the body was paused just now
    const bool is_direct = space.size() >= kDirectFrom;
    if (!is_direct) space = thread_.read_buffer();
    const ssize_t n = Receive(space);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        is_readable_ = tls_ && tls_->has_more();
        break;
      }
      OnReadFailed();
      return;
    }
    if (n == 0) {
      // Only HTTP/2's END_STREAM is a half-close that is answered.
      Close();
      return;
    }
    const auto got = static_cast<size_t>(n);
    // A short read means an empty socket, unless the end of the stream waits behind it.
    if (got < space.size() && !peer_has_ended_ && !(tls_ && tls_->has_more())) {
      is_readable_ = false;
    }
    budget -= std::min(budget, got);
    if (is_direct) {
      session_->DirectArrived(got);
    } else {
      Dispatch(space.first(got));
    }
  }
  if (state_ == State::kClosed) return;
  if (tls_ && tls_->unsent() > 0) ScheduleFlush();  // the handshake, an alert
  if (peer_has_ended_ && state_ == State::kOpen && !CanRead()) {
    Close();
    return;
  }
  if (is_readable_ && CanRead()) ScheduleRead();
  SetLowWater();
}

ssize_t Connection::Receive(std::span<std::byte> to) {
  // What comes while lingering is dropped, encrypted or not.
  if (tls_ && state_ != State::kLingering) return tls_->Receive(to);
  return recv(socket_.fd, to.data(), to.size(), MSG_DONTWAIT);
}

void Connection::OnReadFailed() {
  if (!tls_ || state_ != State::kOpening) {
    Close();
    return;
  }
  SERVING_LOG(kVerbose,
              "TLS handshake with " + socket_.remote_address + " failed: " + tls_->failure());
  if (tls_->is_plain_text()) {
    const std::string answer =
        Refusal("this port speaks TLS only: use https, or a secure gRPC channel");
    tls_->SendPlain(std::as_bytes(std::span(answer)));
  }
  if (tls_->unsent() == 0) {
    Close();
  } else {
    CloseAfterWrite(true);
  }
}

// Wakes for a large body are saved by letting the kernel gather: measured at 4 MiB, about a quarter
// of the server's CPU. The mark is never over what the peer still owes, or the end of the body
// would not wake the thread.
void Connection::SetLowWater() {
  uint64_t owed = state_ == State::kOpen ? session_->BytesOwed() : 0;
  // Part of it may be in OpenSSL's hands already.
  if (tls_) owed -= std::min<uint64_t>(owed, TlsChannel::kReadAheadBytes);
  const auto wanted = static_cast<int>(std::clamp<uint64_t>(owed, 1, kLargestLowWater));
  if (wanted == low_water_) return;
  if (setsockopt(socket_.fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted)) == 0) {
    low_water_ = wanted;
  }
}

void Connection::Dispatch(std::span<std::byte> data) {
  switch (state_) {
    case State::kOpening:
      Recognise(data);
      break;
    case State::kOpen:
      session_->Receive(data);
      break;
    case State::kLingering:
      lingered_ += data.size();
      if (lingered_ > kLingerBytes) Close();
      break;
    case State::kClosing:
    case State::kClosed:
      break;
  }
}

void Connection::Recognise(std::span<std::byte> data) {
  if (first_byte_ == base::kNever) {
    first_byte_ = thread_.now();
    Arm();
  }
  std::string joined;
  if (!opening_.empty()) {
    joined = std::move(opening_);
    joined.append(reinterpret_cast<const char*>(data.data()), data.size());
    data = std::as_writable_bytes(std::span(joined));
  }
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  const size_t compared = std::min(text.size(), kPreface.size());
  if (text.substr(0, compared) == kPreface.substr(0, compared)) {
    if (compared < kPreface.size()) {
      opening_ = text;
      return;
    }
    if (!socket_.allow_http2) return RefuseProtocol("this port speaks HTTP/1.1 only");
    StartSession(true);
  } else {
    if (!socket_.allow_http1) {
      // Only who speaks HTTP/1.1 can read why (RFC 9113 §3.4).
      if (text.find(" HTTP/1.") == std::string_view::npos) return CloseAfterWrite(true);
      return RefuseProtocol("this port speaks HTTP/2 (gRPC) only");
    }
    StartSession(false);
  }
  session_->Receive(data);
}

void Connection::StartSession(bool is_http2) {
  if (is_http2) {
    session_ = std::make_unique<Http2Session>(*this);
  } else {
    session_ = std::make_unique<Http1Session>(*this);
  }
  state_ = State::kOpen;
  Arm();
  if (thread_.is_draining()) session_->OnStopListening();
}

void Connection::RefuseProtocol(std::string_view text) {
  const std::string answer = Refusal(text);
  output_.Append(std::as_bytes(std::span(answer)));
  CloseAfterWrite(true);
}

void Connection::ScheduleFlush() {
  if (is_flush_scheduled_ || state_ == State::kClosed) return;
  is_flush_scheduled_ = true;
  thread_.ScheduleFlush(*this);
}

void Connection::ScheduleRead() {
  if (is_read_scheduled_ || state_ == State::kClosed) return;
  is_read_scheduled_ = true;
  thread_.ScheduleRead(*this);
}

void Connection::Flush() {
  is_flush_scheduled_ = false;
  if (state_ == State::kClosed) return;
  size_t budget = kWriteBytesPerTurn;
  while (true) {
    if (session_) session_->Fill(kFillBytes);
    if (tls_ && state_ == State::kClosing && output_.empty() && !resets_) tls_->EndSending();
    if (!has_output() || !is_writable_) break;
    if (budget == 0) {
      ScheduleFlush();
      break;
    }
    const uint64_t before = sent();
    const WriteResult result = Write(budget);
    if (result == WriteResult::kFailed) {
      Close();
      return;
    }
    const auto written = static_cast<size_t>(sent() - before);
    budget -= std::min(budget, written);
    if (written > 0) write_stalled_since_ = base::kNever;
    if (result == WriteResult::kBlocked) {
      is_writable_ = false;
      if (write_stalled_since_ == base::kNever) write_stalled_since_ = thread_.now();
    }
    if (written > 0 && session_) session_->OnWritten();
  }
  if (state_ == State::kClosing && !has_output()) {
    FinishClosing();
    if (state_ == State::kClosed) return;
  }
  if (is_readable_ && CanRead()) ScheduleRead();
}

WriteResult Connection::Write(size_t max_bytes) {
  return tls_ ? tls_->Write(output_, max_bytes) : output_.WriteTo(socket_.fd, max_bytes);
}

void Connection::CloseAfterWrite(bool expects_more) {
  if (state_ != State::kOpening && state_ != State::kOpen) return;
  state_ = State::kClosing;
  lingers_ = expects_more;
  ScheduleFlush();
}

void Connection::FinishClosing() {
  if (resets_) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  if (resets_ || !lingers_) {
    Close();
    return;
  }
  shutdown(socket_.fd, SHUT_WR);
  state_ = State::kLingering;
  if (session_) session_->Abort();
  linger_until_ = thread_.now() + kLingerTime;
  Arm();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (session_) session_->Abort();
  if (tls_) {
    // An end of the stream in front of missing bytes would be a lie.
    if (output_.empty() && !resets_) tls_->EndSending();
    tls_->SendOnce();
  }
  output_.Clear();
  thread_.timers().Cancel(*this);
  close(socket_.fd);
  thread_.Bury(*this);
}

void Connection::OnStopListening() {
  if (state_ == State::kOpen) session_->OnStopListening();
  Arm();
}

void Connection::OnExpire() {
  const base::Instant now = thread_.now();
  const base::Nanoseconds write_timeout =
      state_ == State::kClosing && limits().write_timeout.count() == 0 ? kClosingWriteTimeout
                                                                       : limits().write_timeout;
  const bool is_stalled = write_timeout.count() > 0 && write_stalled_since_ != base::kNever &&
                          now >= write_stalled_since_ + write_timeout;
  if (is_stalled || now >= linger_until_) {
    Close();
    return;
  }
  if (state_ == State::kOpening) {
    const Limits& limits = this->limits();
    const bool is_slow = first_byte_ != base::kNever && limits.head_timeout.count() > 0 &&
                         now >= first_byte_ + limits.head_timeout;
    const bool is_idle = first_byte_ == base::kNever && limits.idle_timeout.count() > 0 &&
                         now >= opened_ + limits.idle_timeout;
    const base::Nanoseconds handshake_timeout =
        limits.head_timeout.count() > 0 ? std::min(limits.head_timeout, kHandshakeTimeout)
                                        : kHandshakeTimeout;
    const bool is_handshake_slow =
        tls_ && !tls_->is_established() && now >= opened_ + handshake_timeout;
    if (is_slow || is_idle || is_handshake_slow) {
      Close();
      return;
    }
  }
  if (low_water_ > 1) {
    // Bytes below the mark count too when a body's speed is judged.
    MarkReadable();
    Read();
    if (state_ == State::kClosed) return;
  }
  if (state_ == State::kOpen) session_->CheckDeadlines(now);
  Arm();
}

// Looks again after a part of the shortest limit rather than at an exact deadline: the moments that
// the limits count from change with every request, and moving a timer with each would cost more.
void Connection::Arm() {
  if (state_ == State::kClosed) return;
  const Limits& limits = this->limits();
  base::Nanoseconds shortest{0};
  const auto consider = [&shortest](base::Nanoseconds limit) {
    if (limit.count() > 0 && (shortest.count() == 0 || limit < shortest)) shortest = limit;
  };
  consider(limits.idle_timeout);
  consider(limits.head_timeout);
  consider(limits.body_timeout);
  consider(limits.write_timeout);
  if (limits.min_body_bytes_per_second > 0) consider(std::chrono::seconds(5));
  if (state_ == State::kLingering) consider(kLingerTime);
  if (state_ == State::kClosing) consider(kClosingWriteTimeout);
  if (state_ == State::kOpening && tls_) consider(kHandshakeTimeout);
  if (thread_.is_draining()) consider(std::chrono::seconds(5));
  if (shortest.count() == 0) return;
  const base::Nanoseconds pause = std::clamp<base::Nanoseconds>(
      shortest / 8, std::chrono::milliseconds(5), std::chrono::seconds(5));
  thread_.timers().Arm(*this, thread_.now() + pause);
}

}  // namespace serving::net
