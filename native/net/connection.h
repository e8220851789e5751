// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/io_thread.h"
#include "net/output_queue.h"
#include "net/session.h"
#include "net/timer_wheel.h"
#include "net/tls_channel.h"

namespace serving::net {

// One socket: moves bytes between it and the session, through TLS where the listener has
// certificates, and decides when it ends.
//
// States:
//   kOpening   TLS shakes hands, or fewer bytes than tell HTTP/2's preface from HTTP/1.1 have come;
//   no session
//   kOpen      the session speaks
//   kClosing   the session has said its last: what is queued is written, nothing is parsed
//   kLingering all is written and the sending side shut; the peer's bytes are dropped for a while,
//   since closing with
//              unread bytes would reset the connection and could cost the peer the answer
//   kClosed    no socket; waits to be deleted
//
// Threads: its I/O thread.
class Connection final : public Pollable, private Timer {
 public:
  Connection(IoThread& thread, AcceptedSocket socket);
  ~Connection();

  // Watches the socket. False when the kernel refuses.
  bool Open();
  void OnEvents(uint32_t events) override;

  // For the thread.
  void Read();
  void SetLowWater();
  void Flush();
  void Close();
  void OnStopListening();

  // For the session.
  IoThread& thread() { return thread_; }
  const Limits& limits() const { return thread_.limits(); }
  OutputQueue& output() { return output_; }
  // Position in `output` up to which the socket has taken it, encrypted or not; and what is behind.
  uint64_t sent_position() const { return tls_ ? tls_->plain_sent() : output_.taken(); }
  size_t unsent() const { return static_cast<size_t>(output_.queued() - sent_position()); }
  uint16_t service() const { return socket_.service; }
  uint64_t& exchange_bytes() { return exchange_bytes_; }
  // What the peer sends is taken; not while it takes no answers, or as the session wishes.
  bool CanRead() const;
  bool allows_http2() const { return socket_.allow_http2; }
  const KeepaliveOptions& keepalive() const { return *socket_.keepalive; }
  std::string_view remote_address() const { return socket_.remote_address; }
  // There is something to send: Flush at the end of this turn.
  void ScheduleFlush();
  // Session::Continue and a look at the socket at the next turn.
  void ScheduleRead();
  // Stop reading; end when everything queued is written. `expects_more`: the peer may still be
  // sending, so linger.
  void CloseAfterWrite(bool expects_more);
  // The end that CloseAfterWrite brings is a reset.
  void ResetAfterWrite() { resets_ = true; }
  // Since when the socket has taken nothing of what is queued; kNever when it takes.
  base::Instant write_stalled_since() const { return write_stalled_since_; }

  size_t index_in_thread = 0;

 private:
  enum class State : uint8_t { kOpening, kOpen, kClosing, kLingering, kClosed };

  static constexpr size_t kReadBytesPerTurn = 512 * 1024;
  // Most bytes that the kernel may gather before it wakes the thread for a large body.
  static constexpr uint64_t kLargestLowWater = 512 * 1024;
  static constexpr size_t kWriteBytesPerTurn = 1 << 20;
  static constexpr size_t kFillBytes = 256 * 1024;
  static constexpr size_t kDirectFrom = 16 * 1024;
  static constexpr size_t kLingerBytes = 1 << 20;
  static constexpr base::Nanoseconds kLingerTime = std::chrono::seconds(1);
  static constexpr size_t kPrefaceBytes = 24;

  void OnExpire() override;
  void Arm();
  void MarkReadable();
  // As recv: n bytes, 0 at the end of the stream, -1 with errno.
  ssize_t Receive(std::span<std::byte> to);
  WriteResult Write(size_t max_bytes);
  bool has_output() const { return !output_.empty() || (tls_ && tls_->unsent() > 0); }
  // Bytes that the socket ever took.
  uint64_t sent() const { return tls_ ? tls_->sent() : output_.taken(); }
  void OnReadFailed();
  void Dispatch(std::span<std::byte> data);
  void Recognise(std::span<std::byte> data);
  void RefuseProtocol(std::string_view text);
  void StartSession(bool is_http2);
  void FinishClosing();

  IoThread& thread_;
  const AcceptedSocket socket_;
  std::unique_ptr<TlsChannel> tls_;  // null = the socket's bytes as they are
  OutputQueue output_;
  std::unique_ptr<Session> session_;
  std::string opening_;  // bytes of a preface that is not whole yet
  State state_ = State::kOpening;
  bool is_readable_ = false;
  bool is_writable_ = true;
  bool peer_has_ended_ = false;
  int low_water_ = 1;  // SO_RCVLOWAT as set
  bool is_flush_scheduled_ = false;
  bool is_read_scheduled_ = false;
  bool lingers_ = false;
  bool resets_ = false;
  size_t lingered_ = 0;
  uint64_t exchange_bytes_ = 0;  // Stream::connection_bytes
  base::Instant opened_;
  base::Instant first_byte_ = base::kNever;
  base::Instant linger_until_ = base::kNever;
  base::Instant write_stalled_since_ = base::kNever;
};

}  // namespace serving::net
