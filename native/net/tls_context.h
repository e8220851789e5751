// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/ref.h"
#include "base/status.h"
#include "net/output_queue.h"
#include "net/tls_abi.h"

namespace serving::net {

class TlsChannel;

// PEM text and where it came from; `name` appears in messages only.
struct TlsFile {
  std::string name;
  std::string pem;
};

struct TlsOptions {
  TlsFile certificate;               // the server's, then those that lead to its root
  TlsFile key;                       // without a password
  std::optional<TlsFile> client_ca;  // who may sign clients' certificates; none: none is asked for
  // ALPN: what the port speaks.
  bool offers_http1 = true;
  bool offers_http2 = true;
};

// The certificates of a listener. TLS 1.2 and 1.3, no renegotiation, tickets but no session cache.
//
// Threads: any.
class TlsContext final : public base::RefCounted {
 public:
  // Fails with InvalidArgument, naming the file and what is wrong with it, and with Unavailable
  // where there is no OpenSSL.
  static base::Result<base::Ref<TlsContext>> Make(const TlsOptions& options);
  ~TlsContext() override;

  // Other certificates for the connections to come; those that are open keep theirs, and what ALPN
  // offers stays. On failure nothing has changed.
  base::Status Renew(TlsOptions options);

  // The server's end of a connection over `fd`, which it does not own; null when memory is short.
  std::unique_ptr<TlsChannel> Accept(int fd, ChunkPool& chunks);

 private:
  TlsContext(const openssl::Api& api, const TlsOptions& options, openssl::Context* context)
      : api_(api),
        offers_http1_(options.offers_http1),
        offers_http2_(options.offers_http2),
        context_(context) {}

  const openssl::Api& api_;
  const bool offers_http1_;
  const bool offers_http2_;
  std::mutex mutex_;
  openssl::Context* context_;  // under mutex_; one reference is ours
};

}  // namespace serving::net
