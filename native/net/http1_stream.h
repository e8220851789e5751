// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/exchange.h"
#include "net/http1_parser.h"
#include "net/output_queue.h"
#include "net/timer_wheel.h"

namespace serving::net {

class Http1Session;
class IoThread;

// One request of a connection and its answer. Answers leave in the order of the requests: until its
// turn comes, an answer waits in `staged_`.
class Http1Stream final : public Stream, private Timer {
 public:
  explicit Http1Stream(IoThread& thread);

  void SendHead(int status, std::span<const Header> headers,
                std::optional<uint64_t> content_length) override;
  void SendBytes(std::span<const std::byte> bytes) override;
  void SendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) override;
  void Finish(std::span<const Header> trailers) override;
  void SendTrailersOnly(std::span<const Header> fields) override;
  void Abort(AbortReason reason) override;
  void AllowSlowBody() override;
  void ResumeBody() override;
  size_t unsent_bytes() const override;
  void SetTimer(base::Instant when) override;

 private:
  friend class Http1Session;

  void OnExpire() override;
  void Reset(Http1Session& session, const Http1Head* head);
  OutputQueue& out();
  // How many of `n` body bytes may go out: none for HEAD, no more than Content-Length.
  size_t Admit(size_t n);
  void OpenChunk(size_t n);
  void CloseChunk();
  void Queued();

  IoThread& thread_;
  Http1Session* session_ = nullptr;
  Exchange* exchange_ = nullptr;
  Http1Stream* next_ = nullptr;
  OutputQueue staged_;
  uint64_t end_position_ =
      0;  // once finished and in the connection's queue: where that must be taken to
  std::optional<uint64_t> content_left_;
  bool is_http10_ = false;
  bool is_head_method_ = false;
  bool keep_alive_ = true;
  bool has_head_ = false;
  bool drops_body_ = false;
  bool is_chunked_ = false;
  bool ends_with_connection_ = false;  // a body of HTTP/1.0 without a length
  bool is_finished_ = false;
  bool is_aborted_ = false;
  bool has_undrained_ = false;
};

}  // namespace serving::net
