// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "net/http2_closed_streams.h"
#include "net/http2_frame_reader.h"
#include "net/http2_header_block.h"
#include "net/http2_stream.h"
#include "net/intrusive_list.h"
#include "net/keepalive.h"
#include "net/nghttp2_abi.h"
#include "net/rate_limit.h"
#include "net/session.h"
#include "net/timer_wheel.h"

namespace serving::net {

class Connection;
class IoThread;

// HTTP/2 on one connection through an nghttp2 server session (RFC 9113).
class Http2Session final : public Session {
 public:
  explicit Http2Session(Connection& connection);
  ~Http2Session() override;

  void Receive(std::span<std::byte> data) override;
  bool wants_read() const override;
  void Continue() override;
  void Fill(size_t max_bytes) override;
  void OnWritten() override;
  void CheckDeadlines(base::Instant now) override;
  void OnStopListening() override;
  void Abort() override;

 private:
  friend class Http2Stream;
  struct Callbacks;
  struct KeepaliveTimer final : Timer {
    void OnExpire() override;
    Http2Session* session = nullptr;
  };

  // Body bytes of paused exchanges that the connections of one thread may have waiting before the
  // sockets of those that have some are left unread.
  static constexpr size_t kMaxHeldOfThread = 32 << 20;
  // Larger DATA frames than the usual 16 KiB, where the peer allows them, save frame heads; nghttp2
  // makes a buffer of that size, so not without bound.
  static constexpr size_t kMaxDataFrame = 128 * 1024;
  // Of a request whose answer is complete: read and dropped before the peer is told to stop.
  static constexpr size_t kMaxLingerBytes = 64 * 1024;
  static constexpr base::Nanoseconds kLingerTime = std::chrono::seconds(1);
  static constexpr uint32_t kUsualFrame = 16'384;
  static constexpr uint32_t kLargestFrame = (1 << 24) - 1;
  // PING, SETTINGS, PRIORITY, WINDOW_UPDATE, unknown and empty frames: so many at once, so many per
  // second in the long run, and how many more of them each stream opened and each frame of an
  // answer allows.
  static constexpr double kIdleFrameBurst = 1'000;
  static constexpr double kIdleFramesPerSecond = 100;
  static constexpr double kIdleFramesPerUseful = 8;
  // As many as nghttp2 allows from version 1.61 on.
  static constexpr uint32_t kMaxContinuations = 8;

  enum class Verdict : uint8_t { kPass, kDrop, kEnd };

  void Feed(std::span<const std::byte> bytes);
  bool NeedsState(const Http2FrameHead& head) const;
  Verdict Judge(const Http2FrameHead& head);
  Verdict JudgeData(const Http2FrameHead& head);
  Verdict JudgeHeaders(const Http2FrameHead& head);
  Verdict JudgeWindowUpdate(const Http2FrameHead& head);
  // The highest stream, and opened in the current read.
  bool IsNew(int32_t stream_id) const {
    return stream_id == highest_stream_ && stream_id > opened_before_;
  }
  Http2ClosedStreams::Past PastOf(int32_t stream_id) const;
  Verdict CountIdle();
  // A stream ended before its answer did. False when it was one too many.
  bool CountReset();
  void RaiseFrameSize();
  // No new streams; those that are open go on.
  void Retire(std::string_view why);
  void SendFinalGoaway();
  void CheckNotice();
  void CheckKeepalive();
  void ArmKeepalive();
  // Says why and closes the connection, with what is framed already.
  Verdict End(uint32_t error, std::string_view text);

  static const nghttp2::Callbacks* LibraryCallbacks(const nghttp2::Api& api);
  static const nghttp2::Option* LibraryOptions(const nghttp2::Api& api);
  // What asks OnReadBody for the stream's body.
  static nghttp2::DataProvider BodyOf(Http2Stream& stream);

  // Called by nghttp2.
  int OnBeginHeaders(const nghttp2::Frame& frame);
  int OnHeader(std::string_view name, std::string_view value);
  int OnFrame(const nghttp2::Frame& frame);
  void OnFrameSent(const nghttp2::Frame& frame);
  void OnDataChunk(int32_t stream_id, std::span<const std::byte> data, bool is_last);
  void OnStreamClose(int32_t stream_id);
  ssize_t OnReadBody(Http2Stream& stream, size_t size, uint32_t& flags);
  void OnSendData(Http2Stream& stream, const uint8_t* frame_head, size_t size);

  bool is_reading() const { return !has_failed_ && !is_ending_; }
  Http2Stream* Find(int32_t stream_id) const;
  void OnRequest(Http2Stream& stream, bool has_body);
  void OnBodyEnd(Http2Stream& stream);
  size_t Deliver(Http2Stream& stream, std::span<const std::byte> data);
  void Hold(Http2Stream& stream, std::span<const std::byte> data);
  void CountTaken(size_t bytes);
  void ReleaseHeld(Http2Stream& stream);
  void Resume(Http2Stream& stream);
  void Submit(Http2Stream& stream);
  void NoteDrain(Http2Stream& stream);
  void AddPending(Http2Stream& stream);
  void ResetStream(Http2Stream& stream, uint32_t error);
  // Tells the exchange, if there is one, and gives the stream back to the pool.
  void Release(Http2Stream& stream, bool is_answered);
  void Linger(Http2Stream& stream);
  void EndLinger(Http2Stream& stream);
  void AppendFrame(uint8_t type, int32_t stream_id, std::string_view payload);
  void RefuseClosed(int32_t stream_id);
  void CloseIfDone();
  void FinishEnding();

  Connection& connection_;
  IoThread& thread_;
  const nghttp2::Api& api_;
  nghttp2::Session* session_ = nullptr;
  IntrusiveList<Http2Stream, LiveList> live_;
  IntrusiveList<Http2Stream, PendingList> pending_;
  IntrusiveList<Http2Stream, DrainList> draining_;  // by position
  Http2FrameReader frames_;
  Http2ClosedStreams closed_;
  Http2HeaderBlock block_;  // the one that is coming in; blocks never interleave
  // Since when a frame other than DATA, or a field block, is coming in and not whole.
  base::Instant begun_ = base::kNever;
  size_t held_bytes_ = 0;  // of paused exchanges
  size_t unconsumed_ = 0;  // of the connection's window, given back after the current input
  int32_t highest_stream_ = 0;
  int32_t unopened_stream_ = 0;  // the highest, until nghttp2 has opened it
  int32_t opened_before_ = 0;    // the highest before the current read
  uint32_t continuations_ = 0;   // of the current field block
  uint64_t frames_sent_ = 0;     // HEADERS and DATA
  uint64_t windows_sent_ = 0;    // WINDOW_UPDATE
  uint64_t useful_counted_ = 0;
  RateLimit idle_frames_;
  RateLimit resets_;
  std::unique_ptr<Keepalive> keepalive_;  // null when nothing of it is wanted
  KeepaliveTimer keepalive_timer_;
  std::string_view retire_text_;
  uint32_t ending_error_ = nghttp2::kNoError;
  std::string_view ending_text_;
  base::Instant idle_since_;
  base::Instant goaway_since_ = base::kNever;
  bool has_output_ = true;
  bool has_resumed_ = false;
  bool is_going_away_ = false;
  bool has_final_goaway_ = false;
  bool has_reset_ = false;  // a RST_STREAM was in the current read
  bool has_raised_frame_size_ = false;
  bool is_ending_ = false;  // a last GOAWAY is due
  bool has_ended_ = false;
  bool has_failed_ = false;  // nothing more goes through nghttp2
};

}  // namespace serving::net
