// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/exchange.h"
#include "net/intrusive_list.h"
#include "net/nghttp2_abi.h"
#include "net/output_queue.h"
#include "net/session.h"
#include "net/timer_wheel.h"

namespace serving::net {

class Connection;
class Http2Session;
class IoThread;

struct LiveList;
struct PendingList;
struct DrainList;

// One HTTP/2 stream: what the exchange sends waits here until nghttp2 takes it into frames.
//
// It lives until both nghttp2 has closed the stream and the socket has taken its last byte.
class Http2Stream final : public Stream,
                          private Timer,
                          public ListHook<LiveList>,
                          public ListHook<PendingList>,
                          public ListHook<DrainList> {
 public:
  explicit Http2Stream(IoThread& thread);

  void SendHead(int status, std::span<const Header> headers,
                std::optional<uint64_t> content_length) override;
  void SendBytes(std::span<const std::byte> bytes) override;
  void SendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) override;
  void Finish(std::span<const Header> trailers) override;
  void SendTrailersOnly(std::span<const Header> fields) override;
  void ResumeBody() override;
  size_t unsent_bytes() const override;
  void SetTimer(base::Instant when) override;

 private:
  friend class Http2Session;

  // Names and values of a field block, one behind the other in one string.
  struct FieldBlock {
    struct Sizes {
      uint32_t name;
      uint32_t value;
    };
    std::string text;
    std::vector<Sizes> fields;

    void Add(std::string_view name, std::string_view value);
    void Clear();
    // Valid until the next change.
    std::span<const nghttp2::Field> View(std::vector<nghttp2::Field>& to) const;
  };

  void OnExpire() override;
  void Reset(Http2Session& session, int32_t id);
  void Queued();

  IoThread& thread_;
  Http2Session* session_ = nullptr;
  Exchange* exchange_ = nullptr;
  int32_t id_ = 0;
  FieldBlock head_;
  FieldBlock trailers_;
  OutputQueue body_;
  std::vector<std::byte> held_;  // body bytes that came while the exchange was paused
  size_t held_at_ = 0;
  uint64_t drain_position_ = 0;
  size_t framed_bytes_ = 0;  // put into the connection's queue since it last drained
  uint64_t body_bytes_ = 0;
  base::Instant body_started_ = base::kNever;
  base::Instant paused_since_ = base::kNever;
  base::Instant stalled_since_ = base::kNever;  // peer's window is shut for what is queued
  bool is_open_ = false;                        // known to nghttp2
  bool is_head_method_ = false;
  bool has_head_ = false;
  bool is_submitted_ = false;
  bool is_deferred_ = false;  // nghttp2 waits for nghttp2_session_resume_data
  bool drops_body_ = false;
  bool is_finished_ = false;
  bool body_ended_ = false;  // END_STREAM has come
  bool is_paused_ = false;
  bool ends_framed_ = false;  // our END_STREAM is in the connection's queue
};

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

  // Body bytes of paused exchanges that one connection may have waiting before its socket is left
  // unread.
  static constexpr size_t kMaxHeldBytes = 256 * 1024;
  // Larger DATA frames than the usual 16 KiB, where the peer allows them, save frame heads; nghttp2
  // makes a buffer of that size, so not without bound.
  static constexpr size_t kMaxDataFrame = 128 * 1024;
  // Streams that a peer opens and resets before the answer: so many at once, and so many per second
  // in the long run.
  static constexpr double kResetBurst = 2'000;
  static constexpr double kResetsPerSecond = 200;

  void OnBeginFrame(const nghttp2::Frame& frame);
  int OnBeginHeaders(const nghttp2::Frame& frame);
  int OnHeader(const nghttp2::Frame& frame, std::string_view name, std::string_view value);
  int OnFrame(const nghttp2::Frame& frame);
  void OnFrameSent(const nghttp2::Frame& frame);
  void OnDataChunk(int32_t stream_id, std::span<const std::byte> data, bool is_last);
  void OnStreamClose(int32_t stream_id);
  ssize_t OnReadBody(Http2Stream& stream, size_t size, uint32_t& flags);
  void OnSendData(Http2Stream& stream, const uint8_t* frame_head, size_t size);

  Http2Stream* Find(int32_t stream_id) const;
  void OnRequest(Http2Stream& stream, bool has_body);
  void OnBodyEnd(Http2Stream& stream);
  void CountReset();
  void NoteEndedByPeer(int32_t stream_id);
  void RefuseHeaders(Http2Stream& stream);
  size_t Deliver(Http2Stream& stream, std::span<const std::byte> data);
  void ReleaseHeld(Http2Stream& stream);
  void Resume(Http2Stream& stream);
  void Submit(Http2Stream& stream);
  void NoteDrain(Http2Stream& stream);
  void AddPending(Http2Stream& stream);
  void ResetStream(Http2Stream& stream, uint32_t error);
  // Tells the exchange, if there is one, and gives the stream back to the pool.
  void Release(Http2Stream& stream, bool is_answered);
  void CloseIfDone();

  Connection& connection_;
  IoThread& thread_;
  const nghttp2::Api& api_;
  nghttp2::Session* session_ = nullptr;
  IntrusiveList<Http2Stream, LiveList> live_;
  IntrusiveList<Http2Stream, PendingList> pending_;
  IntrusiveList<Http2Stream, DrainList> draining_;  // by position
  // The field block that is coming in; blocks never interleave.
  std::string block_text_;
  struct BlockField {
    uint32_t name_start;
    uint32_t name_size;
    uint32_t value_start;
    uint32_t value_size;
  };
  std::vector<BlockField> block_;
  size_t block_bytes_ = 0;
  base::Instant block_started_ = base::kNever;
  size_t held_bytes_ = 0;
  size_t unconsumed_ = 0;  // of the connection's window, given back after the current input
  // Streams that the peer itself brought to an end and that are gone, the latest of them. Only of
  // these is it certain that a further frame is an error and not one that crossed an early answer
  // of ours.
  std::array<int32_t, 16> ended_by_peer_{};
  size_t next_ended_ = 0;
  int32_t highest_stream_ = 0;
  double resets_left_ = kResetBurst;
  base::Instant resets_counted_;
  base::Instant idle_since_;
  base::Instant goaway_since_ = base::kNever;
  bool has_output_ = true;
  bool has_resumed_ = false;
  bool is_going_away_ = false;
  bool has_final_goaway_ = false;
  bool has_failed_ = false;
};

}  // namespace serving::net
