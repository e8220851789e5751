// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What a session sends: answers into frames, frames into the connection's queue.

#include <algorithm>
#include <string>
#include <utility>

#include "net/connection.h"
#include "net/http2_session.h"
#include "net/io_thread.h"

namespace serving::net {
namespace {

using nghttp2::Field;
using nghttp2::Frame;

constexpr size_t kFrameHeadBytes = 9;

std::string BigEndian(uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

}  // namespace

void Http2Session::AddPending(Http2Stream& stream) {
  if (stream.is_open_ && !pending_.Contains(stream)) pending_.PushBack(stream);
}

void Http2Session::Submit(Http2Stream& stream) {
  if (stream.aborted_) {
    ResetStream(stream, static_cast<uint32_t>(*stream.aborted_));
    return;
  }
  if (stream.is_submitted_) {
    if (stream.is_deferred_) {
      stream.is_deferred_ = false;
      api_.session_resume_data(session_, stream.id_);
    }
    return;
  }
  stream.is_submitted_ = true;
  const std::span<const Field> fields = stream.head_.View(thread_.field_scratch());
  const nghttp2::DataProvider provider = BodyOf(stream);
  const bool is_only_head =
      stream.is_finished_ && stream.body_.empty() && stream.trailers_.fields.empty();
  const int error = api_.submit_response(session_, stream.id_, fields.data(), fields.size(),
                                         is_only_head ? nullptr : &provider);
  if (error != 0) ResetStream(stream, nghttp2::kInternalError);
}

ssize_t Http2Session::OnReadBody(Http2Stream& stream, size_t size, uint32_t& flags) {
  const size_t n = std::min(size, stream.body_.size());
  flags |= nghttp2::kDataNoCopy;
  if (n == stream.body_.size() && stream.is_finished_) {
    flags |= nghttp2::kDataEof;
    if (!stream.trailers_.fields.empty()) {
      flags |= nghttp2::kDataNoEndStream;
      const std::span<const Field> fields = stream.trailers_.View(thread_.field_scratch());
      api_.submit_trailer(session_, stream.id_, fields.data(), fields.size());
    }
  } else if (n == 0) {
    stream.is_deferred_ = true;
    return nghttp2::kErrorDeferred;
  }
  return static_cast<ssize_t>(n);
}

void Http2Session::OnSendData(Http2Stream& stream, const uint8_t* frame_head, size_t size) {
  OutputQueue& output = connection_.output();
  output.Append({reinterpret_cast<const std::byte*>(frame_head), kFrameHeadBytes});
  stream.body_.MoveTo(output, size);
  stream.framed_bytes_ += size;
  stream.stalled_since_ = base::kNever;
  if (stream.body_.empty() && !stream.is_finished_) NoteDrain(stream);
}

void Http2Session::NoteDrain(Http2Stream& stream) {
  draining_.Remove(stream);
  stream.drain_position_ = connection_.output().queued();
  draining_.PushBack(stream);
}

void Http2Session::Fill(size_t max_bytes) {
  if (has_failed_) return FinishEnding();
  while (Http2Stream* const stream = pending_.front()) {
    pending_.Remove(*stream);
    Submit(*stream);
    has_output_ = true;
  }
  if (!has_output_) return FinishEnding();
  OutputQueue& output = connection_.output();
  while (output.size() < max_bytes) {
    const uint8_t* data = nullptr;
    const ssize_t n = api_.session_mem_send(session_, &data);
    if (n < 0) {
      has_failed_ = true;
      connection_.CloseAfterWrite(true);
      return;
    }
    if (n == 0) {
      has_output_ = false;
      break;
    }
    output.Append({reinterpret_cast<const std::byte*>(data), static_cast<size_t>(n)});
  }
  // nghttp2 tells of a frame's end at its next call, when the frame may have left already.
  if (connection_.unsent() == 0 && !draining_.empty()) OnWritten();
  if (is_ending_) return FinishEnding();
  if (!has_output_) CloseIfDone();
}

// Past nghttp2, which takes no GOAWAY any more when it has failed and no RST_STREAM for a stream
// that it has forgotten.
void Http2Session::AppendFrame(uint8_t type, int32_t stream_id, std::string_view payload) {
  std::string frame = BigEndian(static_cast<uint32_t>(payload.size()), 3);
  frame += BigEndian(type, 1);
  frame += BigEndian(0, 1);
  frame += BigEndian(static_cast<uint32_t>(stream_id), 4);
  frame += payload;
  connection_.output().Append(std::as_bytes(std::span(frame)));
}

void Http2Session::RefuseClosed(int32_t stream_id) {
  AppendFrame(nghttp2::kFrameResetStream, stream_id, BigEndian(nghttp2::kStreamClosed, 4));
}

void Http2Session::FinishEnding() {
  if (!is_ending_ || std::exchange(has_ended_, true)) return;
  has_failed_ = true;
  std::string payload =
      BigEndian(static_cast<uint32_t>(api_.session_get_last_proc_stream_id(session_)), 4);
  payload += BigEndian(ending_error_, 4);
  payload += ending_text_;
  AppendFrame(nghttp2::kFrameGoaway, 0, payload);
  connection_.CloseAfterWrite(true);
}

void Http2Session::CloseIfDone() {
  if (api_.session_want_read(session_) == 0 && api_.session_want_write(session_) == 0) {
    connection_.CloseAfterWrite(true);
  }
}

void Http2Session::OnFrameSent(const Frame& frame) {
  if (frame.type == nghttp2::kFrameWindowUpdate) ++windows_sent_;
  if (frame.type > nghttp2::kFrameHeaders) return;
  ++frames_sent_;
  if ((frame.flags & nghttp2::kFlagEndStream) == 0) return;
  Http2Stream* const stream = Find(frame.stream_id);
  if (stream == nullptr) return;
  stream->ends_framed_ = true;
  if (!stream->body_ended_) Linger(*stream);
}

// The answer is complete, the request is not. What was on its way is still taken, so that errors in
// it are answered as such; then the peer hears that it need not send the rest (RFC 9113 §8.1).
void Http2Session::Linger(Http2Stream& stream) {
  stream.body_started_ = base::kNever;
  stream.lingers_ = true;
  thread_.timers().Arm(stream, thread_.now() + kLingerTime);
  NoteDrain(stream);
}

void Http2Session::EndLinger(Http2Stream& stream) {
  if (!stream.is_open_ || !std::exchange(stream.lingers_, false)) return;
  api_.submit_rst_stream(session_, nghttp2::kFlagNone, stream.id_, nghttp2::kNoError);
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::OnWritten() {
  const uint64_t taken = connection_.sent_position();
  while (Http2Stream* const stream = draining_.front()) {
    if (stream->drain_position_ > taken) break;
    draining_.Remove(*stream);
    stream->framed_bytes_ = 0;
    if (!stream->is_open_) {
      Release(*stream, true);
    } else if (stream->ends_framed_) {
      if (Exchange* const exchange = std::exchange(stream->exchange_, nullptr)) {
        exchange->OnClosed(true);
      }
    } else if (stream->exchange_ != nullptr && !stream->is_finished_ && stream->body_.empty()) {
      stream->exchange_->OnDrained();
    }
  }
}

}  // namespace serving::net
