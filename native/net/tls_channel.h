// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "net/output_queue.h"
#include "net/tls_abi.h"

namespace serving::net {

// The server's end of TLS on one socket: what Connection reads and writes through instead of the
// socket itself. The handshake happens within Receive.
//
// Bounds: OpenSSL holds at most kReadAheadBytes of what came, `unsent` at most
// kQueuedBytes + kSealBytes of what goes, besides a handshake's messages and alerts.
//
// Threads: its connection's I/O thread.
class TlsChannel {
 public:
  static constexpr size_t kReadAheadBytes = 64 * 1024;

  // Owns `ssl`, not `fd`. Null when memory is short.
  static std::unique_ptr<TlsChannel> Make(const openssl::Api& api, openssl::Ssl* ssl, int fd,
                                          ChunkPool& chunks);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  // The socket may have bytes; `peer_has_ended`: and perhaps the end behind them.
  void OnReadable(bool peer_has_ended);
  // As recv on a socket that does not wait: bytes that were decrypted, 0 at the end of the stream,
  // -1 with errno EAGAIN when there are none now, -1 with EPROTO when TLS or the socket failed.
  // Leaves part of `to` empty only when nothing more is there, unless `has_more`.
  ssize_t Receive(std::span<std::byte> to);
  // Another Receive has something to tell, without any event.
  bool has_more() const { return end_ != End::kNone || is_cut_short_; }

  // Encrypts what is in `from` and writes it, as OutputQueue::WriteTo.
  WriteResult Write(OutputQueue& from, size_t max_bytes);
  // Encrypted bytes that the socket has not taken yet, and those that it ever took.
  size_t unsent() const { return sealed_.size(); }
  uint64_t sent() const { return sealed_.taken(); }
  // Position in `from` up to which the socket has surely taken what Write was given; all of it when
  // nothing is unsent, else at most two rounds of sealing behind.
  uint64_t plain_sent() const { return plain_sent_; }
  // Queues close_notify. Only the first call does, and only while TLS works.
  void EndSending();
  // One attempt to send what is queued.
  void SendOnce();

  bool is_established() const { return api_.SSL_is_init_finished(ssl_) != 0; }
  // Why Receive failed.
  const std::string& failure() const { return failure_; }
  // The peer has not begun with a TLS record but with a letter, as HTTP does.
  bool is_plain_text() const { return starts_with_letter_; }
  // Queues bytes that are not encrypted: for a peer that does not speak TLS.
  void SendPlain(std::span<const std::byte> bytes) { sealed_.Append(bytes); }

 private:
  enum class End : uint8_t { kNone, kClosed, kFailed };

  // What is encrypted before the socket takes it: some records with one write, while they are still
  // in the processor's cache.
  static constexpr size_t kQueuedBytes = 128 * 1024;
  // The most that is encrypted with one call.
  static constexpr size_t kSealBytes = 64 * 1024;
  static constexpr size_t kRecordBytes = 16 * 1024;  // RFC 8446 §5.1
  // Output parts from this size on are encrypted where they lie; smaller ones share a record.
  static constexpr size_t kOwnRecordFrom = 4 * 1024;
  // Socket bytes that one Receive may use up: a flood of records without data must not hold the
  // thread.
  static constexpr size_t kSocketBytesPerReceive = 256 * 1024;

  TlsChannel(const openssl::Api& api, openssl::Ssl* ssl, int fd, ChunkPool& chunks)
      : api_(api), ssl_(ssl), fd_(fd), sealed_(chunks) {}

  static const openssl::BioMethod* Method(const openssl::Api& api);
  static int OnBioRead(openssl::Bio* bio, char* to, int size);
  static int OnBioWrite(openssl::Bio* bio, const char* from, int size);
  static long OnBioControl(openssl::Bio* bio, int command, long number, void* pointer);

  int ReadSocket(openssl::Bio* bio, char* to, int size);
  bool Seal(OutputQueue& from);
  WriteResult SealAndSend(OutputQueue& from, size_t max_bytes);
  void NotePlainSent(const OutputQueue& from);

  const openssl::Api& api_;
  openssl::Ssl* const ssl_;
  const int fd_;
  OutputQueue sealed_;  // encrypted
  uint64_t plain_sent_ = 0;
  // Once the socket has taken `sealed_` up to the second, it has the plain bytes up to the first;
  // a round that is measured. No second = none.
  uint64_t marked_plain_ = 0;
  uint64_t marked_sealed_ = 0;
  size_t socket_budget_ = 0;
  End end_ = End::kNone;
  bool is_socket_readable_ = true;
  bool peer_has_ended_ = false;
  bool socket_has_ended_ = false;
  bool is_cut_short_ = false;
  bool has_first_byte_ = false;
  bool starts_with_letter_ = false;
  bool has_ended_sending_ = false;
  std::string failure_;
};

}  // namespace serving::net
