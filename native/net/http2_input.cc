// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What a session takes in: frames are judged, then given to nghttp2; bodies go to their exchanges.

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/connection.h"
#include "net/http2_session.h"
#include "net/io_thread.h"

namespace serving::net {

using nghttp2::Frame;

void Http2Session::Receive(std::span<std::byte> data) {
  if (keepalive_) keepalive_->OnReceived(thread_.now());
  opened_before_ = highest_stream_;
  has_reset_ = false;
  std::span<const std::byte> rest = data;
  const std::byte* unfed = data.data();
  while (is_reading() && frames_.Next(rest)) {
    const Http2FrameHead& head = frames_.head();
    if (head.type != nghttp2::kFrameContinuation) begun_ = base::kNever;
    const std::span<const std::byte> held = frames_.held();
    // A head that began in an earlier read lies at the start of this one.
    const std::byte* const start = held.empty() ? rest.data() - frames_.head_bytes() : rest.data();
    if (!held.empty() || NeedsState(head)) {
      if (held.empty()) Feed({unfed, start});
      unfed = start;
    }
    switch (is_reading() ? Judge(head) : Verdict::kEnd) {
      case Verdict::kPass:
        Feed(held);
        break;
      case Verdict::kDrop:
        unfed = rest.data();
        break;
      case Verdict::kEnd:
        break;
    }
  }
  if (is_reading()) Feed({unfed, rest.data()});
  if (!frames_.is_in_between()) {
    begun_ = base::kNever;
  } else if (begun_ == base::kNever) {
    begun_ = thread_.now();
  }
  if (unconsumed_ > 0) api_.session_consume_connection(session_, std::exchange(unconsumed_, 0));
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::Feed(std::span<const std::byte> bytes) {
  if (bytes.empty() || !is_reading()) return;
  const ssize_t used =
      api_.session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (used >= 0) return;
  // The library has given the session up.
  has_failed_ = true;
  if (is_ending_) {
    connection_.ScheduleFlush();
  } else {
    connection_.CloseAfterWrite(true);
  }
}

// Whether all frames before this one must have been taken in before it can be judged. Not so for
// the usual ones: what is known to be open, or opens in the same read, closes by a RST_STREAM only.
bool Http2Session::NeedsState(const Http2FrameHead& head) const {
  switch (head.type) {
    case nghttp2::kFrameData:
      return has_reset_ || (!IsNew(head.stream_id) && Find(head.stream_id) == nullptr);
    case nghttp2::kFrameHeaders:
      return head.stream_id <= highest_stream_;
    case nghttp2::kFrameWindowUpdate:
      return head.stream_id != 0;
    default:
      return false;
  }
}

// What nghttp2 lets pass, since it forgets closed streams and ignores priorities, or answers
// differently from version to version; and what it takes for ever without asking what it is for.
Http2Session::Verdict Http2Session::Judge(const Http2FrameHead& head) {
  switch (head.type) {
    case nghttp2::kFrameData:
      return JudgeData(head);
    case nghttp2::kFrameHeaders:
      return JudgeHeaders(head);
    case nghttp2::kFrameContinuation:
      if (++continuations_ > kMaxContinuations) {
        return End(nghttp2::kEnhanceYourCalm, "too many CONTINUATION frames");
      }
      return Verdict::kPass;
    case nghttp2::kFrameResetStream:
      has_reset_ = true;
      return Verdict::kPass;
    case nghttp2::kFramePriority:
      if (head.stream_id == 0 ||
          (head.length == 5 && head.value == static_cast<uint32_t>(head.stream_id))) {
        return End(nghttp2::kProtocolError, "PRIORITY: a stream depends on itself");
      }
      return CountIdle();
    case nghttp2::kFramePing:
      if (keepalive_ && !head.has(nghttp2::kFlagAck) && head.length == 8 &&
          !keepalive_->OnPing(thread_.now(), !live_.empty(), frames_sent_ + windows_sent_)) {
        return End(nghttp2::kEnhanceYourCalm, "too_many_pings");
      }
      return CountIdle();
    case nghttp2::kFrameWindowUpdate:
      return JudgeWindowUpdate(head);
    default:
      return CountIdle();
  }
}

Http2Session::Verdict Http2Session::JudgeData(const Http2FrameHead& head) {
  if (head.length >= kUsualFrame && !has_raised_frame_size_) RaiseFrameSize();
  if (head.length == 0 && !head.has(nghttp2::kFlagEndStream) && CountIdle() == Verdict::kEnd) {
    return Verdict::kEnd;
  }
  if (IsNew(head.stream_id) && !has_reset_) return Verdict::kPass;
  if (head.stream_id > highest_stream_ || Find(head.stream_id) != nullptr) return Verdict::kPass;
  switch (PastOf(head.stream_id)) {
    case Http2ClosedStreams::Past::kEndedByServer:
      break;
    case Http2ClosedStreams::Past::kEndedByPeer:
      if (CountIdle() == Verdict::kEnd) return Verdict::kEnd;
      RefuseClosed(head.stream_id);
      break;
    case Http2ClosedStreams::Past::kNeverOpened:
      return End(nghttp2::kStreamClosed, "DATA on a closed stream");
  }
  // nghttp2 drops the bytes and opens the connection's window for them again.
  return Verdict::kPass;
}

Http2Session::Verdict Http2Session::JudgeHeaders(const Http2FrameHead& head) {
  continuations_ = 0;
  if (head.stream_id > highest_stream_) {
    if (unopened_stream_ != 0) {
      closed_.EndedByServer(unopened_stream_);
      if (CountIdle() == Verdict::kEnd) return Verdict::kEnd;
    }
    highest_stream_ = unopened_stream_ = head.stream_id;
    return Verdict::kPass;
  }
  if (Find(head.stream_id) != nullptr) return Verdict::kPass;
  switch (PastOf(head.stream_id)) {
    case Http2ClosedStreams::Past::kEndedByServer:
      return CountIdle();
    case Http2ClosedStreams::Past::kEndedByPeer:
      return End(nghttp2::kStreamClosed, "HEADERS on a closed stream");
    case Http2ClosedStreams::Past::kNeverOpened:
      return End(nghttp2::kProtocolError, "HEADERS on a stream lower than one opened before");
  }
  return Verdict::kPass;
}

Http2Session::Verdict Http2Session::JudgeWindowUpdate(const Http2FrameHead& head) {
  if (CountIdle() == Verdict::kEnd) return Verdict::kEnd;
  if (head.stream_id == 0 || head.length != 4) return Verdict::kPass;
  constexpr int64_t kMaxWindow = (int64_t{1} << 31) - 1;
  const int64_t window = api_.session_get_stream_remote_window_size(session_, head.stream_id);
  if (window < 0 || window + head.value <= kMaxWindow) return Verdict::kPass;
  if (!CountReset()) return Verdict::kEnd;
  if (Http2Stream* const stream = Find(head.stream_id)) {
    ResetStream(*stream, nghttp2::kFlowControlError);
  }
  return Verdict::kDrop;
}

Http2ClosedStreams::Past Http2Session::PastOf(int32_t stream_id) const {
  // One that nghttp2 refused to open.
  if (stream_id == unopened_stream_) return Http2ClosedStreams::Past::kEndedByServer;
  return closed_.Of(stream_id);
}

// A frame that costs work and moves nothing on. Answers and new requests pay for some.
Http2Session::Verdict Http2Session::CountIdle() {
  const uint64_t useful = frames_sent_ + static_cast<uint64_t>(highest_stream_);
  idle_frames_.Earn(kIdleFramesPerUseful *
                    static_cast<double>(useful - std::exchange(useful_counted_, useful)));
  if (idle_frames_.Take(thread_.now())) return Verdict::kPass;
  return End(nghttp2::kEnhanceYourCalm, "too many frames that move nothing on");
}

bool Http2Session::CountReset() {
  if (resets_.Take(thread_.now())) return true;
  End(nghttp2::kEnhanceYourCalm, "too many streams reset");
  return false;
}

// Larger frames are of use to large bodies only. Announced at once, they would also let a peer send
// a field block as large in one piece.
void Http2Session::RaiseFrameSize() {
  has_raised_frame_size_ = true;
  const uint32_t size = std::min(connection_.limits().max_frame_bytes, kLargestFrame);
  if (size <= kUsualFrame) return;
  const nghttp2::Setting setting{nghttp2::kSettingMaxFrameSize, size};
  api_.submit_settings(session_, nghttp2::kFlagNone, &setting, 1);
}

int Http2Session::OnBeginHeaders(const Frame& frame) {
  if (is_ending_) return nghttp2::kErrorCallbackFailure;  // the rest of this read is not wanted
  block_.Clear();
  if (frame.type != nghttp2::kFrameHeaders || Find(frame.stream_id) != nullptr) return 0;
  unopened_stream_ = 0;
  Http2Stream* const stream = thread_.http2_streams().Take();
  stream->Reset(*this, frame.stream_id);
  live_.PushBack(*stream);
  if (api_.session_set_stream_user_data(session_, frame.stream_id, stream) != 0) {
    Release(*stream, false);
    return nghttp2::kErrorCallbackFailure;
  }
  return 0;
}

int Http2Session::OnHeader(std::string_view name, std::string_view value) {
  block_.Add(name, value);
  if (!block_.is_bomb()) return 0;
  End(nghttp2::kEnhanceYourCalm, "the header list is many times larger than allowed");
  return nghttp2::kErrorCallbackFailure;
}

int Http2Session::OnFrame(const Frame& frame) {
  switch (frame.type) {
    case nghttp2::kFrameData:
      if ((frame.flags & nghttp2::kFlagEndStream) != 0) {
        if (Http2Stream* const stream = Find(frame.stream_id)) OnBodyEnd(*stream);
      }
      break;
    case nghttp2::kFrameHeaders: {
      Http2Stream* const stream = Find(frame.stream_id);
      if (stream == nullptr) break;
      const bool is_end = (frame.flags & nghttp2::kFlagEndStream) != 0;
      if (!stream->has_request_) OnRequest(*stream, !is_end);
      if (is_end) OnBodyEnd(*stream);
      break;
    }
    case nghttp2::kFrameResetStream:
      if (Http2Stream* const stream = Find(frame.stream_id)) stream->body_ended_ = true;
      break;
    case nghttp2::kFramePing:
      // The answer to the ping behind the shutdown notice: the peer has heard it, no stream is on
      // its way any more.
      if ((frame.flags & nghttp2::kFlagAck) != 0 && is_going_away_) SendFinalGoaway();
      break;
    default:
      break;
  }
  return 0;
}

void Http2Session::OnRequest(Http2Stream& stream, bool has_body) {
  stream.has_request_ = true;
  stream.body_started_ = thread_.now();
  if (block_.is_too_large()) {
    stream.SendHead(431, {}, 0);
    stream.Finish({});
    return;
  }
  RequestHead head;
  head.protocol = Protocol::kHttp2;
  block_.MakeHead(head, thread_.header_scratch());
  head.has_body = has_body;
  head.remote_address = connection_.remote_address();
  head.service = connection_.service();
  stream.is_head_method_ = head.method == "HEAD";
  stream.exchange_ = thread_.handler().OnRequest(stream, head);
}

void Http2Session::OnBodyEnd(Http2Stream& stream) {
  if (stream.body_ended_) return;
  stream.body_ended_ = true;
  stream.body_started_ = base::kNever;
  if (stream.is_finished_ || stream.exchange_ == nullptr || !stream.held_.empty()) return;
  stream.exchange_->OnBodyEnd();
}

void Http2Session::OnDataChunk(int32_t stream_id, std::span<const std::byte> data, bool is_last) {
  Http2Stream* const stream = Find(stream_id);
  if (stream == nullptr || stream->is_finished_ || stream->exchange_ == nullptr) {
    // Nobody wants it: the connection's window opens again, the stream's does not.
    unconsumed_ += data.size();
    if (stream != nullptr && stream->lingers_) {
      stream->lingered_bytes_ += data.size();
      if (stream->lingered_bytes_ > kMaxLingerBytes) EndLinger(*stream);
    }
    return;
  }
  // The connection's part is given back once per read, in Receive, even for what is held: a paused
  // body closes the window of its own stream only.
  unconsumed_ += data.size();
  const size_t used = stream->held_.empty() && !stream->is_paused_ ? Deliver(*stream, data) : 0;
  if (used < data.size() && !stream->is_finished_) Hold(*stream, data.subspan(used));
  // A stream at its end needs no window.
  if (used > 0 && !is_last) api_.session_consume_stream(session_, stream_id, used);
}

void Http2Session::Hold(Http2Stream& stream, std::span<const std::byte> data) {
  std::vector<std::byte>& held = stream.held_;
  if (stream.held_at_ > held.size() / 2) {
    held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>(stream.held_at_));
    stream.held_at_ = 0;
  }
  held.insert(held.end(), data.begin(), data.end());
  held_bytes_ += data.size();
  thread_.CountHeld(static_cast<ptrdiff_t>(data.size()));
}

void Http2Session::CountTaken(size_t bytes) {
  held_bytes_ -= bytes;
  thread_.CountHeld(-static_cast<ptrdiff_t>(bytes));
}

// Returns how many bytes the exchange took; it is paused if those are not all.
size_t Http2Session::Deliver(Http2Stream& stream, std::span<const std::byte> data) {
  size_t used = 0;
  while (used < data.size() && !stream.is_finished_) {
    const std::span<std::byte> space = stream.exchange_->BodySpace(data.size() - used);
    if (stream.is_finished_) break;
    if (space.empty()) {
      stream.is_paused_ = true;
      stream.paused_since_ = thread_.now();
      break;
    }
    const size_t n = std::min(space.size(), data.size() - used);
    std::memcpy(space.data(), data.data() + used, n);
    used += n;
    stream.exchange_->BodyArrived(n);
  }
  stream.body_bytes_ += used;
  return used;
}

void Http2Session::ReleaseHeld(Http2Stream& stream) {
  const size_t held = stream.held_.size() - stream.held_at_;
  stream.held_at_ = 0;
  stream.held_ = {};
  stream.is_paused_ = false;
  if (held == 0) return;
  CountTaken(held);
  has_resumed_ = true;
  connection_.ScheduleRead();
}

void Http2Session::Continue() {
  if (!std::exchange(has_resumed_, false)) return;
  for (Http2Stream* stream = live_.front(); stream != nullptr; stream = live_.After(*stream)) {
    if (!stream->is_paused_ && !stream->held_.empty()) Resume(*stream);
  }
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::Resume(Http2Stream& stream) {
  const size_t used = Deliver(stream, std::span(stream.held_).subspan(stream.held_at_));
  if (stream.is_finished_) {
    ReleaseHeld(stream);
    return;
  }
  stream.held_at_ += used;
  CountTaken(used);
  if (!stream.body_ended_ && stream.is_open_)
    api_.session_consume_stream(session_, stream.id_, used);
  if (stream.held_at_ < stream.held_.size()) return;
  stream.held_at_ = 0;
  stream.held_ = {};
  if (stream.body_ended_) stream.exchange_->OnBodyEnd();
}

}  // namespace serving::net
