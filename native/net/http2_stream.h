// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

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
#include "net/timer_wheel.h"

namespace serving::net {

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
  void Abort(AbortReason reason) override;
  void AllowSlowBody() override { allows_slow_body_ = true; }
  void ResumeBody() override;
  size_t unsent_bytes() const override;
  void SetTimer(base::Instant when) override;

 private:
  friend class Http2Session;

  // Names and values of a field block: static ones where they are, the others one behind the other
  // in one string.
  struct FieldBlock {
    struct Entry {
      const char* name;  // null = both texts follow in `text`
      const char* value;
      uint32_t name_size;
      uint32_t value_size;
    };
    std::string text;
    std::vector<Entry> fields;

    void Add(const Header& header);
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
  bool has_request_ = false;                    // its header list has come
  bool is_head_method_ = false;
  bool has_head_ = false;
  bool is_submitted_ = false;
  bool is_deferred_ = false;  // nghttp2 waits for nghttp2_session_resume_data
  bool drops_body_ = false;
  bool is_finished_ = false;
  bool body_ended_ = false;  // END_STREAM has come
  bool is_paused_ = false;
  bool allows_slow_body_ = false;
  bool lingers_ = false;  // our end is sent, the peer's is still awaited
  size_t lingered_bytes_ = 0;
  std::optional<AbortReason> aborted_;
  bool ends_framed_ = false;  // our END_STREAM is in the connection's queue
};

}  // namespace serving::net
