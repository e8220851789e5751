// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "net/exchange.h"
#include "net/http1_chunked.h"
#include "net/http1_parser.h"
#include "net/http1_stream.h"
#include "net/session.h"

namespace serving::net {

class Connection;
class IoThread;

// HTTP/1.0 and HTTP/1.1 on one connection (RFC 9112), with pipelining.
class Http1Session final : public Session {
 public:
  explicit Http1Session(Connection& connection);
  ~Http1Session() override;

  void Receive(std::span<std::byte> data) override;
  std::span<std::byte> DirectSpace() override;
  void DirectArrived(size_t n) override;
  uint64_t BytesOwed() const override;
  bool wants_read() const override;
  void Continue() override;
  void Fill(size_t) override {}
  void OnWritten() override;
  void CheckDeadlines(base::Instant now) override;
  void OnStopListening() override {}
  void Abort() override;

 private:
  friend class Http1Stream;

  static constexpr size_t kMaxPipelined = 16;
  static constexpr size_t kDirectFrom = 16 * 1024;
  static constexpr uint64_t kFlowsWellFrom = 256 * 1024;
  // Of a body whose request is already answered: read and dropped so that the connection can go on.
  static constexpr uint64_t kMaxDiscardBytes = 64 * 1024;

  size_t Process(std::span<std::byte> data);
  void Keep(std::span<const std::byte> data);
  void StartRequest(bool is_followed_by_body);
  size_t ReadBody(std::span<std::byte> data);
  size_t ReadSizedBody(std::span<const std::byte> data);
  size_t ReadChunkedBody(std::span<const std::byte> data);
  // Puts as many bytes as there is room for into the exchange; fewer than given means that it
  // paused.
  size_t Deliver(std::span<const std::byte> data);
  void EndBody();
  // The exchange no longer wants the body that is being read.
  bool discards() const { return reading_ == nullptr || reading_->is_finished_; }
  void RefuseHead(const Http1Error& error);
  void Refuse(int status, std::string_view text);
  void FailBody(int status, std::string_view text);
  void SendError(Http1Stream& stream, int status, std::string_view text);
  Http1Stream* AddStream(const Http1Head* head);
  bool ShouldClose(const Http1Stream& stream) const;
  void OnFinished(Http1Stream& stream);
  void Release(Http1Stream* stream, bool is_answered);

  Connection& connection_;
  IoThread& thread_;
  Http1HeadParser parser_;
  ChunkedDecoder chunked_;
  std::vector<std::byte> kept_;  // bytes that could not be used yet, from kept_at_ on
  size_t kept_at_ = 0;
  Http1Stream* front_ = nullptr;  // oldest that is not written out
  Http1Stream* back_ = nullptr;
  Http1Stream* answering_ = nullptr;  // first unfinished; those before it only wait for the socket
  Http1Stream* reading_ = nullptr;    // whose body comes; null when it is dropped
  size_t pipelined_ = 0;
  bool in_body_ = false;
  bool is_chunked_ = false;
  bool keep_alive_ = true;
  bool waits_for_continue_ = false;
  bool is_paused_ = false;
  bool is_stopped_ = false;  // nothing more is parsed
  bool has_spoken_ = false;  // a request has come
  bool allows_slow_body_ = false;
  uint64_t body_left_ = 0;
  uint64_t body_bytes_ = 0;
  base::Instant body_started_ = base::kNever;  // moved on by the time that we ourselves paused
  base::Instant paused_since_ = base::kNever;
  base::Instant head_started_ = base::kNever;
  base::Instant idle_since_;
};

}  // namespace serving::net
