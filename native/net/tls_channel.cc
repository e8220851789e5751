// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/tls_channel.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace serving::net {

const openssl::BioMethod* TlsChannel::Method(const openssl::Api& api) {
  // One for the process, never freed: Bios may outlive every static object.
  static const openssl::BioMethod* const method = [&api] {
    openssl::BioMethod* const made =
        api.BIO_meth_new(api.BIO_get_new_index() | openssl::kBioTypeSourceSink, "nereid");
    if (made != nullptr) {
      api.BIO_meth_set_read(made, &OnBioRead);
      api.BIO_meth_set_write(made, &OnBioWrite);
      api.BIO_meth_set_ctrl(made, &OnBioControl);
    }
    return made;
  }();
  return method;
}

namespace {

// The callbacks get no table.
const openssl::Api& Table() {
  static const openssl::Api& api = *openssl::Load().value();
  return api;
}

}  // namespace

std::unique_ptr<TlsChannel> TlsChannel::Make(const openssl::Api& api, openssl::Ssl* ssl, int fd,
                                             ChunkPool& chunks) {
  std::unique_ptr<TlsChannel> channel(new TlsChannel(api, ssl, fd, chunks));
  const openssl::BioMethod* const method = Method(api);
  openssl::Bio* const bio = method == nullptr ? nullptr : api.BIO_new(method);
  if (bio == nullptr) return nullptr;
  api.BIO_set_data(bio, channel.get());
  api.BIO_set_init(bio, 1);
  api.SSL_set_bio(ssl, bio, bio);
  api.SSL_set_accept_state(ssl);
  return channel;
}

TlsChannel::~TlsChannel() { api_.SSL_free(ssl_); }

int TlsChannel::OnBioRead(openssl::Bio* bio, char* to, int size) {
  return static_cast<TlsChannel*>(Table().BIO_get_data(bio))->ReadSocket(bio, to, size);
}

int TlsChannel::OnBioWrite(openssl::Bio* bio, const char* from, int size) {
  // Always taken: how much is encrypted ahead of the socket is bounded where it is encrypted.
  auto* const channel = static_cast<TlsChannel*>(Table().BIO_get_data(bio));
  channel->sealed_.Append(std::as_bytes(std::span(from, static_cast<size_t>(size))));
  return size;
}

long TlsChannel::OnBioControl(openssl::Bio*, int command, long, void*) {
  return command == openssl::kBioControlFlush ? 1 : 0;
}

int TlsChannel::ReadSocket(openssl::Bio* bio, char* to, int size) {
  api_.BIO_clear_flags(bio, openssl::kBioFlagsOfRetry);
  const auto wanted = std::min(static_cast<size_t>(size), socket_budget_);
  if (is_socket_readable_ && wanted > 0) {
    ssize_t n;
    do {
      n = recv(fd_, to, wanted, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
      const auto got = static_cast<size_t>(n);
      socket_budget_ -= got;
      // A short read means an empty socket, unless the end of the stream waits behind it.
      if (got < wanted && !peer_has_ended_) is_socket_readable_ = false;
      if (!has_first_byte_) {
        has_first_byte_ = true;
        starts_with_letter_ = *to >= 'A' && *to <= 'Z';
      }
      return static_cast<int>(n);
    }
    if (n == 0) {
      socket_has_ended_ = true;
      return 0;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) return -1;
    is_socket_readable_ = false;
  }
  is_cut_short_ = is_socket_readable_;
  api_.BIO_set_flags(bio, openssl::kBioFlagRead | openssl::kBioFlagRetry);
  return -1;
}

void TlsChannel::OnReadable(bool peer_has_ended) {
  is_socket_readable_ = true;
  peer_has_ended_ = peer_has_ended_ || peer_has_ended;
}

ssize_t TlsChannel::Receive(std::span<std::byte> to) {
  size_t got = 0;
  socket_budget_ = kSocketBytesPerReceive;
  is_cut_short_ = false;
  while (end_ == End::kNone && got < to.size() &&
         (is_socket_readable_ || api_.SSL_has_pending(ssl_) != 0)) {
    // Errors that other code left on this thread would be taken for ours.
    api_.ERR_clear_error();
    const int wanted = static_cast<int>(std::min<size_t>(to.size() - got, 1 << 30));
    const int n = api_.SSL_read(ssl_, to.data() + got, wanted);
    if (n > 0) {
      got += static_cast<size_t>(n);
      continue;
    }
    const int error = api_.SSL_get_error(ssl_, n);
    if (error == openssl::kErrorWantRead) break;
    if (error == openssl::kErrorZeroReturn) {
      end_ = End::kClosed;
    } else {
      end_ = End::kFailed;
      failure_ = socket_has_ended_                    ? "the peer closed the connection"
                 : error == openssl::kErrorSystemCall ? "the connection broke"
                                                      : openssl::TakeErrorText(api_);
    }
  }
  if (got > 0) return static_cast<ssize_t>(got);
  if (end_ == End::kClosed) return 0;
  errno = end_ == End::kFailed ? EPROTO : EAGAIN;
  return -1;
}

bool TlsChannel::Seal(OutputQueue& from) {
  std::array<iovec, 16> parts;
  const size_t count = from.Gather(parts);
  const void* data = parts[0].iov_base;
  size_t size = std::min(parts[0].iov_len, kSealBytes);
  std::array<std::byte, kRecordBytes> joined;
  if (size < kOwnRecordFrom && count > 1) {
    size = 0;
    for (size_t i = 0; i < count && parts[i].iov_len < kOwnRecordFrom; ++i) {
      const size_t part = std::min(parts[i].iov_len, joined.size() - size);
      std::memcpy(joined.data() + size, parts[i].iov_base, part);
      size += part;
    }
    data = joined.data();
  }
  api_.ERR_clear_error();
  // Our Bio takes everything, so what is not written now never will be.
  const int n = api_.SSL_write(ssl_, data, static_cast<int>(size));
  if (n <= 0) {
    end_ = End::kFailed;
    failure_ = openssl::TakeErrorText(api_);
    return false;
  }
  from.Consume(static_cast<size_t>(n));
  return true;
}

WriteResult TlsChannel::Write(OutputQueue& from, size_t max_bytes) {
  const WriteResult result = SealAndSend(from, max_bytes);
  NotePlainSent(from);
  return result;
}

void TlsChannel::NotePlainSent(const OutputQueue& from) {
  if (sealed_.empty()) {
    plain_sent_ = from.taken();
    marked_sealed_ = 0;
    return;
  }
  if (marked_sealed_ != 0 && sealed_.taken() >= marked_sealed_) {
    plain_sent_ = marked_plain_;
    marked_sealed_ = 0;
  }
  if (marked_sealed_ == 0) {
    marked_plain_ = from.taken();
    marked_sealed_ = sealed_.queued();
  }
}

WriteResult TlsChannel::SealAndSend(OutputQueue& from, size_t max_bytes) {
  const uint64_t start = sealed_.taken();
  while (true) {
    while (!from.empty() && sealed_.size() < kQueuedBytes) {
      if (end_ == End::kFailed || !Seal(from)) return WriteResult::kFailed;
    }
    if (sealed_.empty()) return WriteResult::kEmpty;
    const auto written = static_cast<size_t>(sealed_.taken() - start);
    if (written >= max_bytes) return WriteResult::kLimit;
    const WriteResult result = sealed_.WriteTo(fd_, max_bytes - written);
    if (result == WriteResult::kBlocked || result == WriteResult::kFailed) return result;
  }
}

void TlsChannel::EndSending() {
  if (has_ended_sending_ || end_ == End::kFailed || !is_established()) return;
  has_ended_sending_ = true;
  api_.ERR_clear_error();
  api_.SSL_shutdown(ssl_);
}

void TlsChannel::SendOnce() {
  if (!sealed_.empty()) sealed_.WriteTo(fd_, kQueuedBytes);
}

}  // namespace serving::net
