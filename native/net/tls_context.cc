// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/tls_context.h"

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>
#include <utility>

#include "net/tls_channel.h"

namespace serving::net {
namespace {

using openssl::Api;

// Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else anyway. None of these
// is on HTTP/2's list of forbidden ones (RFC 9113, appendix A).
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct AlpnOffer {
  bool http1;
  bool http2;
};
constexpr std::array<AlpnOffer, 4> kOffers{
    {{false, false}, {true, false}, {false, true}, {true, true}}};

template <auto Free, typename T>
struct Freer {
  const Api* api;
  void operator()(T* object) const { (api->*Free)(object); }
};
template <auto Free, typename T>
using Owned = std::unique_ptr<T, Freer<Free, T>>;
using OwnedBio = Owned<&Api::BIO_free, openssl::Bio>;
using OwnedCertificate = Owned<&Api::X509_free, openssl::Certificate>;
using OwnedContext = Owned<&Api::SSL_CTX_free, openssl::Context>;
using OwnedKey = Owned<&Api::EVP_PKEY_free, openssl::Key>;

int SelectAlpn(openssl::Ssl*, const unsigned char** chosen, unsigned char* chosen_size,
               const unsigned char* offered, unsigned int offered_size, void* user) {
  const AlpnOffer& ours = *static_cast<const AlpnOffer*>(user);
  const auto choose = [&](std::string_view protocol) {
    for (unsigned int at = 0; at < offered_size; at += 1u + offered[at]) {
      const std::string_view name(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
      if (name != protocol) continue;
      *chosen = offered + at + 1;
      *chosen_size = offered[at];
      return true;
    }
    return false;
  };
  if (ours.http2 && choose("h2")) return openssl::kAlpnOk;
  if (ours.http1 && (choose("http/1.1") || choose("http/1.0"))) return openssl::kAlpnOk;
  return openssl::kAlpnAlert;  // RFC 7301 §3.2
}

// A key with a password must fail instead of asking on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

base::Status Wrong(const TlsFile& file, const std::string& what) {
  return base::InvalidArgument("'" + file.name + "': " + what);
}

OwnedBio Reader(const Api& api, const TlsFile& file) {
  const auto size = static_cast<int>(std::min<size_t>(file.pem.size(), INT_MAX));
  return OwnedBio(api.BIO_new_mem_buf(file.pem.data(), size), {&api});
}

// Calls `take(certificate, index)` with each; stops when it fails.
template <typename Take>
base::Status ForEachCertificate(const Api& api, const TlsFile& file, Take take) {
  const OwnedBio reader = Reader(api, file);
  size_t count = 0;
  for (;; ++count) {
    const OwnedCertificate certificate(
        api.PEM_read_bio_X509(reader.get(), nullptr, &NoPassword, nullptr), {&api});
    if (!certificate) break;
    RETURN_IF_ERROR(take(certificate.get(), count));
  }
  const std::string reason = openssl::TakeErrorText(api);
  if (count == 0) {
    return Wrong(file,
                 "expected certificates in PEM form (-----BEGIN CERTIFICATE-----), got none (" +
                     reason + ")");
  }
  // The end of the text reads as this error too.
  if (reason != "no start line") {
    return Wrong(file, "certificate " + std::to_string(count + 1) + " cannot be read: " + reason);
  }
  return {};
}

base::Status UseCertificate(const Api& api, openssl::Context* context, const TlsFile& file) {
  return ForEachCertificate(
      api, file, [&](openssl::Certificate* certificate, size_t index) -> base::Status {
        const long is_used =
            index == 0
                ? api.SSL_CTX_use_certificate(context, certificate)
                : api.SSL_CTX_ctrl(context, openssl::kControlChainCertificate, 1, certificate);
        if (is_used != 1) {
          return Wrong(file, "certificate " + std::to_string(index + 1) +
                                 " cannot be used: " + openssl::TakeErrorText(api));
        }
        return {};
      });
}

base::Status UseKey(const Api& api, openssl::Context* context, const TlsFile& file,
                    const TlsFile& certificate) {
  const OwnedBio reader = Reader(api, file);
  const OwnedKey key(api.PEM_read_bio_PrivateKey(reader.get(), nullptr, &NoPassword, nullptr),
                     {&api});
  if (!key) {
    return Wrong(file,
                 "expected a private key in PEM form (-----BEGIN PRIVATE KEY-----) that has no "
                 "password, got none that can be read (" +
                     openssl::TakeErrorText(api) +
                     "); a key with a password loses it with `openssl pkey -in KEY -out NEW`");
  }
  if (api.SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return Wrong(file, "expected the private key of the first certificate in '" + certificate.name +
                           "', got another (" + openssl::TakeErrorText(api) + ")");
  }
  return {};
}

base::Status AskForClientCertificate(const Api& api, openssl::Context* context,
                                     const TlsFile& file) {
  api.SSL_CTX_set_verify(context, openssl::kVerifyPeer | openssl::kVerifyFailWithoutCertificate,
                         nullptr);
  openssl::CertificateStore* const store = api.SSL_CTX_get_cert_store(context);
  // As gRPC: an authority that another one has signed is trusted by itself.
  api.X509_STORE_set_flags(store, openssl::kVerifyPartialChain);
  return ForEachCertificate(
      api, file, [&](openssl::Certificate* certificate, size_t index) -> base::Status {
        if (api.X509_STORE_add_cert(store, certificate) == 1 &&
            api.SSL_CTX_add_client_CA(context, certificate) == 1) {
          return {};
        }
        return Wrong(file, "certificate " + std::to_string(index + 1) +
                               " cannot be used: " + openssl::TakeErrorText(api));
      });
}

base::Result<openssl::Context*> MakeContext(const Api& api, const TlsOptions& options) {
  api.ERR_clear_error();
  OwnedContext owned(api.SSL_CTX_new(api.TLS_server_method()), {&api});
  if (!owned) return base::Internal("OpenSSL made no context: " + openssl::TakeErrorText(api));
  openssl::Context* const context = owned.get();
  constexpr std::array<unsigned char, 6> kSessionContext{'n', 'e', 'r', 'e', 'i', 'd'};
  const bool is_set =
      api.SSL_CTX_ctrl(context, openssl::kControlMinimumVersion, openssl::kTls12, nullptr) == 1 &&
      api.SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1 &&
      // Tickets of sessions with a client's certificate are only good with a name for their scope.
      api.SSL_CTX_set_session_id_context(context, kSessionContext.data(), kSessionContext.size()) ==
          1 &&
      api.SSL_CTX_set_num_tickets(context, 1) == 1;
  if (!is_set) return base::Internal("OpenSSL refused settings: " + openssl::TakeErrorText(api));
  api.SSL_CTX_set_options(context, openssl::kOptionNoRenegotiation | openssl::kOptionNoCompression |
                                       openssl::kOptionServerPreference);
  // Tickets live with the clients; a cache here would grow with their number.
  api.SSL_CTX_ctrl(context, openssl::kControlSessionCacheMode, openssl::kSessionCacheOff, nullptr);
  // An idle connection holds no record buffers.
  api.SSL_CTX_ctrl(context, openssl::kControlMode, openssl::kModeReleaseBuffers, nullptr);
  // Several records with one read of the socket.
  api.SSL_CTX_ctrl(context, openssl::kControlReadAhead, 1, nullptr);
  api.SSL_CTX_set_default_read_buffer_len(context, TlsChannel::kReadAheadBytes);
  const AlpnOffer& offer =
      kOffers[(options.offers_http1 ? 1u : 0u) + (options.offers_http2 ? 2u : 0u)];
  api.SSL_CTX_set_alpn_select_cb(context, &SelectAlpn, const_cast<AlpnOffer*>(&offer));
  RETURN_IF_ERROR(UseCertificate(api, context, options.certificate));
  RETURN_IF_ERROR(UseKey(api, context, options.key, options.certificate));
  if (options.client_ca) {
    RETURN_IF_ERROR(AskForClientCertificate(api, context, *options.client_ca));
  }
  return owned.release();
}

}  // namespace

base::Result<base::Ref<TlsContext>> TlsContext::Make(const TlsOptions& options) {
  ASSIGN_OR_RETURN(const Api* const api, openssl::Load());
  ASSIGN_OR_RETURN(openssl::Context* const context, MakeContext(*api, options));
  return base::Ref<TlsContext>::Adopt(new TlsContext(*api, options, context));
}

TlsContext::~TlsContext() { api_.SSL_CTX_free(context_); }

base::Status TlsContext::Renew(TlsOptions options) {
  options.offers_http1 = offers_http1_;
  options.offers_http2 = offers_http2_;
  ASSIGN_OR_RETURN(openssl::Context* const made, MakeContext(api_, options));
  openssl::Context* before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(context_, made);
  }
  api_.SSL_CTX_free(before);  // connections hold references of their own
  return {};
}

std::unique_ptr<TlsChannel> TlsContext::Accept(int fd, ChunkPool& chunks) {
  openssl::Ssl* ssl;
  {
    const std::lock_guard lock(mutex_);
    ssl = api_.SSL_new(context_);
  }
  return ssl == nullptr ? nullptr : TlsChannel::Make(api_, ssl, fd, chunks);
}

}  // namespace serving::net
