// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "net/connection.h"
#include "net/io_thread.h"

namespace serving::net {
namespace {

// A peer that does not answer the ping behind the shutdown notice hears of the end all the same.
constexpr base::Nanoseconds kNoticeTime = std::chrono::seconds(1);

}  // namespace

Http2Session::Http2Session(Connection& connection)
    : connection_(connection),
      thread_(connection.thread()),
      api_(connection.thread().http2()),
      block_(connection.limits().max_header_bytes),
      idle_frames_(kIdleFrameBurst, kIdleFramesPerSecond, connection.thread().now()),
      resets_(connection.limits().max_resets, connection.limits().resets_per_second,
              connection.thread().now()),
      idle_since_(connection.thread().now()) {
  SERVING_CHECK(
      api_.session_server_new2(&session_, LibraryCallbacks(api_), this, LibraryOptions(api_)) == 0,
      "no memory for an HTTP/2 session");
  const Limits& limits = connection.limits();
  constexpr uint32_t kMaxWindow = (uint32_t{1} << 31) - 1;
  const std::array<nghttp2::Setting, 4> settings{{
      {nghttp2::kSettingMaxConcurrentStreams, limits.max_streams_per_connection},
      {nghttp2::kSettingInitialWindowSize, std::min(limits.stream_window_bytes, kMaxWindow)},
      {nghttp2::kSettingMaxHeaderListSize,
       static_cast<uint32_t>(std::min<size_t>(limits.max_header_bytes, kMaxWindow))},
      {nghttp2::kSettingNoRfc7540Priorities, 1},
  }};
  const auto window = static_cast<int32_t>(
      std::clamp<uint32_t>(limits.connection_window_bytes, 65'535, kMaxWindow));
  if (api_.submit_settings(session_, nghttp2::kFlagNone, settings.data(), settings.size()) != 0 ||
      api_.session_set_local_window_size(session_, nghttp2::kFlagNone, 0, window) != 0) {
    has_failed_ = true;
  }
  const KeepaliveOptions& keepalive = connection.keepalive();
  if (keepalive != KeepaliveOptions()) {
    keepalive_ = std::make_unique<Keepalive>(keepalive, thread_.now(), thread_.Random());
    ArmKeepalive();
  }
  connection_.ScheduleFlush();
}

Http2Session::~Http2Session() { api_.session_del(session_); }

Http2Stream* Http2Session::Find(int32_t stream_id) const {
  return static_cast<Http2Stream*>(api_.session_get_stream_user_data(session_, stream_id));
}

// Reading goes on past what one paused stream can bring, so that the others go on too, unless this
// thread holds too much in all.
bool Http2Session::wants_read() const {
  if (!is_reading()) return false;
  return held_bytes_ == 0 || (held_bytes_ <= connection_.limits().stream_window_bytes &&
                              thread_.held_bytes() < kMaxHeldOfThread);
}

void Http2Session::OnStreamClose(int32_t stream_id) {
  Http2Stream* const stream = Find(stream_id);
  if (stream == nullptr) return;
  stream->is_open_ = false;
  if (stream->body_ended_) {
    closed_.EndedByPeer(stream_id);
  } else {
    closed_.EndedByServer(stream_id);
  }
  pending_.Remove(*stream);
  if (!stream->ends_framed_) {
    const bool is_due = stream->exchange_ != nullptr && stream->exchange_->IsDue(thread_.now());
    Release(*stream, false);
    if (!is_due) CountReset();
    return;
  }
  if (stream->exchange_ == nullptr) {
    Release(*stream, true);  // its answer has left already
    return;
  }
  NoteDrain(*stream);
}

void Http2Session::Release(Http2Stream& stream, bool is_answered) {
  if (stream.is_open_) {
    api_.session_set_stream_user_data(session_, stream.id_, nullptr);
    closed_.EndedByServer(stream.id_);
  }
  Exchange* const exchange = std::exchange(stream.exchange_, nullptr);
  if (exchange != nullptr) exchange->OnClosed(is_answered);
  if (is_answered) resets_.Earn(1);
  ReleaseHeld(stream);
  thread_.timers().Cancel(stream);
  live_.Remove(stream);
  pending_.Remove(stream);
  draining_.Remove(stream);
  stream.body_.Clear();
  stream.head_.Clear();
  stream.trailers_.Clear();
  thread_.http2_streams().GiveBack(&stream);
  if (live_.empty()) idle_since_ = thread_.now();
}

void Http2Session::ResetStream(Http2Stream& stream, uint32_t error) {
  api_.submit_rst_stream(session_, nghttp2::kFlagNone, stream.id_, error);
  Release(stream, false);
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::OnStopListening() { Retire("the server stops"); }

void Http2Session::Retire(std::string_view why) {
  if (is_going_away_ || !is_reading()) return;
  is_going_away_ = true;
  goaway_since_ = thread_.now();
  retire_text_ = why;
  // First that no more streams are wanted, then, once the peer has surely heard it, which was the
  // last one: no request is lost between the two.
  constexpr std::array<uint8_t, 8> kOpaque{'s', 't', 'o', 'p', 'p', 'i', 'n', 'g'};
  api_.submit_shutdown_notice(session_);
  api_.submit_ping(session_, nghttp2::kFlagNone, kOpaque.data());
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::SendFinalGoaway() {
  if (std::exchange(has_final_goaway_, true)) return;
  api_.submit_goaway(session_, nghttp2::kFlagNone, api_.session_get_last_proc_stream_id(session_),
                     nghttp2::kNoError, reinterpret_cast<const uint8_t*>(retire_text_.data()),
                     retire_text_.size());
  has_output_ = true;
  connection_.ScheduleFlush();
}

Http2Session::Verdict Http2Session::End(uint32_t error, std::string_view text) {
  if (is_reading()) {
    is_ending_ = true;
    ending_error_ = error;
    ending_text_ = text;
    connection_.ScheduleFlush();
  }
  return Verdict::kEnd;
}

void Http2Session::CheckKeepalive() {
  while (is_reading()) {
    switch (keepalive_->Check(thread_.now(), !live_.empty())) {
      case Keepalive::Action::kNone:
        ArmKeepalive();
        return;
      case Keepalive::Action::kPing: {
        constexpr std::array<uint8_t, 8> kOpaque{'a', 'r', 'e', ' ', 'y', 'o', 'u', '?'};
        api_.submit_ping(session_, nghttp2::kFlagNone, kOpaque.data());
        has_output_ = true;
        connection_.ScheduleFlush();
        break;
      }
      case Keepalive::Action::kRetire:
        Retire("max_age");
        break;
      case Keepalive::Action::kEnd:
        End(nghttp2::kNoError, "max_age");
        break;
      case Keepalive::Action::kTimedOut:
        connection_.Close();
        return;
    }
  }
}

void Http2Session::ArmKeepalive() {
  base::Instant next = keepalive_->next();
  if (is_going_away_ && !has_final_goaway_) next = std::min(next, goaway_since_ + kNoticeTime);
  keepalive_timer_.session = this;
  thread_.timers().Arm(keepalive_timer_, next);
}

void Http2Session::KeepaliveTimer::OnExpire() {
  session->CheckNotice();
  session->CheckKeepalive();
}

void Http2Session::CheckNotice() {
  if (is_going_away_ && thread_.now() >= goaway_since_ + kNoticeTime) SendFinalGoaway();
}

void Http2Session::CheckDeadlines(base::Instant now) {
  const Limits& limits = connection_.limits();
  CheckNotice();
  // While nothing is read, the rest is not the peer's fault.
  if (begun_ != base::kNever && !connection_.CanRead()) begun_ = now;
  const bool is_head_late = limits.head_timeout.count() > 0 && begun_ != base::kNever &&
                            now >= begun_ + limits.head_timeout;
  const bool is_idle =
      limits.idle_timeout.count() > 0 && live_.empty() && now >= idle_since_ + limits.idle_timeout;
  if (is_head_late) {
    End(nghttp2::kEnhanceYourCalm, "a frame did not come in time");
    return;
  }
  if (is_idle) {
    End(nghttp2::kNoError, "idle");
    return;
  }
  Http2Stream* following = nullptr;
  for (Http2Stream* stream = live_.front(); stream != nullptr; stream = following) {
    following = live_.After(*stream);
    if (!stream->is_open_) continue;
    bool is_late = false;
    if (!stream->body_ended_ && !stream->is_paused_ && !stream->allows_slow_body_ &&
        stream->body_started_ != base::kNever) {
      const base::Nanoseconds spent = now - stream->body_started_;
      const double seconds = std::chrono::duration<double>(spent).count();
      is_late = (limits.body_timeout.count() > 0 && spent >= limits.body_timeout) ||
                (limits.min_body_bytes_per_second > 0 && seconds > 5 &&
                 static_cast<double>(stream->body_bytes_) <
                     seconds * static_cast<double>(limits.min_body_bytes_per_second));
    }
    if (stream->body_.empty()) {
      stream->stalled_since_ = base::kNever;
    } else if (stream->stalled_since_ == base::kNever) {
      stream->stalled_since_ = now;
    } else if (limits.write_timeout.count() > 0 &&
               now >= stream->stalled_since_ + limits.write_timeout) {
      is_late = true;
    }
    if (is_late) ResetStream(*stream, nghttp2::kCancel);
  }
}

void Http2Session::Abort() {
  has_failed_ = true;
  thread_.timers().Cancel(keepalive_timer_);
  while (Http2Stream* const stream = live_.front()) Release(*stream, false);
}

}  // namespace serving::net
