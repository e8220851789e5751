// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Certificates made for a test, and the client's end of TLS.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/tls_abi.h"
#include "net/tls_context.h"

namespace serving::net {

// A function of the OpenSSL that the tests run with; a test without it has failed.
template <typename Function>
Function OpenSslFunction(const char* name) {
  return reinterpret_cast<Function>(openssl::FindSymbol(name));
}

struct TestIdentity {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

// Signs certificates.
class TestAuthority {
 public:
  // `issuer`: who signs the authority itself; null = its own root.
  explicit TestAuthority(std::string name, const TestAuthority* issuer = nullptr);
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::string& certificate() const { return certificate_; }
  // For 127.0.0.1 and `localhost`, valid from an hour ago until `valid_seconds` from now.
  TestIdentity Issue(const std::string& name, long valid_seconds = 86'400) const;

 private:
  struct Material;
  std::unique_ptr<Material> material_;
  std::string certificate_;
};

// One for the whole process.
const TestAuthority& CommonAuthority();
const TestIdentity& CommonServer();

// Of CommonServer; `client_ca` as in TlsOptions.
TlsOptions ServerTlsOptions(std::optional<std::string> client_ca = std::nullopt);
base::Ref<TlsContext> ServerTls(const TlsOptions& options = ServerTlsOptions());

struct TlsPeerOptions {
  std::string ca = CommonAuthority().certificate();  // whom to trust
  TestIdentity identity;                             // shown when asked for
  std::string alpn;                                  // wire form: size, name, size, name …
  long highest_version = 0;                          // 0 = what OpenSSL has
};

// TLS as a client over a blocking socket that it does not own. The handshake comes with the first
// bytes.
class TlsPeer {
 public:
  TlsPeer(int fd, const TlsPeerOptions& options);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  // True when the server let us in.
  bool Handshake();
  // False when the connection is over.
  bool Send(std::string_view bytes);
  // As much as fits without waiting; returns how much.
  size_t TrySend(std::string_view bytes);
  // As recv: 0 when the server has ended the stream in order, -1 when it broke off.
  ssize_t Receive(char* to, size_t size);
  // What is sent from now on leaves in writes of `size` bytes.
  void SendInPieces(size_t size) { piece_ = size; }
  // Says close_notify.
  void EndSending();
  // Decrypted bytes are waiting.
  bool HasInput() const;

  std::string alpn() const;
  std::string version() const;
  bool was_resumed() const;
  // A session that the server has given a ticket for, to be resumed by another peer.
  void ResumeFrom(const TlsPeer& other);
  // Sends what asks the server to send the same again, `times` times (TLS 1.3).
  bool AskForKeyUpdate();
  // Asks for a new handshake (TLS 1.2).
  bool Renegotiate();
  openssl::Ssl* ssl() const { return ssl_; }
  // Why the last call failed.
  const std::string& failure() const { return failure_; }

 private:
  static int OnBioRead(openssl::Bio* bio, char* to, int size);
  static int OnBioWrite(openssl::Bio* bio, const char* from, int size);
  bool Flush(bool waits);
  void NoteFailure();

  const openssl::Api& api_;
  const int fd_;
  openssl::Context* context_ = nullptr;
  openssl::Ssl* ssl_ = nullptr;
  std::string output_;  // encrypted, not taken by the socket yet
  size_t piece_ = 1 << 20;
  std::string failure_;
};

// Clients and servers of this run speak TLS, so that the tests of plain connections hold for it
// too: set NEREID_TEST_TLS.
bool RunsOverTls();

}  // namespace serving::net
