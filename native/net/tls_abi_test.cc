// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/tls_abi.h"

#include <gtest/gtest.h>

#if __has_include(<openssl/ssl.h>)
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#if OPENSSL_VERSION_MAJOR >= 3
#define SERVING_HAS_OPENSSL_HEADERS 1
#endif
#endif

namespace serving::net::openssl {
namespace {

#ifdef SERVING_HAS_OPENSSL_HEADERS

static_assert(kControlMode == SSL_CTRL_MODE && kControlReadAhead == SSL_CTRL_SET_READ_AHEAD);
static_assert(kControlSessionCacheMode == SSL_CTRL_SET_SESS_CACHE_MODE);
static_assert(kControlChainCertificate == SSL_CTRL_CHAIN_CERT);
static_assert(kControlMinimumVersion == SSL_CTRL_SET_MIN_PROTO_VERSION);
static_assert(kModeReleaseBuffers == SSL_MODE_RELEASE_BUFFERS);
static_assert(kSessionCacheOff == SSL_SESS_CACHE_OFF && kTls12 == TLS1_2_VERSION);
static_assert(kOptionNoCompression == SSL_OP_NO_COMPRESSION);
static_assert(kOptionServerPreference == SSL_OP_CIPHER_SERVER_PREFERENCE);
static_assert(kOptionNoRenegotiation == SSL_OP_NO_RENEGOTIATION);
static_assert(kVerifyNone == SSL_VERIFY_NONE && kVerifyPeer == SSL_VERIFY_PEER);
static_assert(kVerifyFailWithoutCertificate == SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
static_assert(kVerifyPartialChain == X509_V_FLAG_PARTIAL_CHAIN);
static_assert(kErrorWantRead == SSL_ERROR_WANT_READ && kErrorZeroReturn == SSL_ERROR_ZERO_RETURN);
static_assert(kErrorSystemCall == SSL_ERROR_SYSCALL);
static_assert(kAlpnOk == SSL_TLSEXT_ERR_OK && kAlpnAlert == SSL_TLSEXT_ERR_ALERT_FATAL);
static_assert(kBioTypeSourceSink == BIO_TYPE_SOURCE_SINK && kBioControlFlush == BIO_CTRL_FLUSH);
static_assert(kBioFlagRead == BIO_FLAGS_READ && kBioFlagRetry == BIO_FLAGS_SHOULD_RETRY);
static_assert(kBioFlagsOfRetry == (BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY));

// Every name of the table exists in the headers, with as many arguments.
template <typename Result, typename... Arguments>
constexpr size_t CountArguments(Result (*)(Arguments...)) {
  return sizeof...(Arguments);
}
#define SERVING_SAME_ARGUMENTS(name, result, arguments)                    \
  static_assert(CountArguments(static_cast<decltype(&::name)>(nullptr)) == \
                CountArguments(static_cast<decltype(Api::name)>(nullptr)));
SERVING_OPENSSL_FUNCTIONS(SERVING_SAME_ARGUMENTS)

#endif  // SERVING_HAS_OPENSSL_HEADERS

TEST(TlsAbi, FindsEveryFunction) {
  const auto api = Load();
  if (!api.ok()) GTEST_SKIP() << api.status().message();
  EXPECT_NE(api.value()->TLS_server_method(), nullptr);
}

TEST(TlsAbi, ComparesWithTheRealHeaders) {
#ifndef SERVING_HAS_OPENSSL_HEADERS
  GTEST_SKIP() << "openssl/ssl.h of OpenSSL 3 is not installed (apt-get install libssl-dev)";
#endif
}

TEST(TlsAbi, DoesNotFindWhatIsNotThere) { EXPECT_EQ(FindSymbol("SSL_no_such_function"), nullptr); }

TEST(TlsAbi, HasWordsForAnError) {
  const auto api = Load();
  if (!api.ok()) GTEST_SKIP() << api.status().message();
  Bio* const text = api.value()->BIO_new_mem_buf("nothing", 7);
  EXPECT_EQ(api.value()->PEM_read_bio_X509(text, nullptr, nullptr, nullptr), nullptr);
  api.value()->BIO_free(text);
  EXPECT_EQ(TakeErrorText(*api.value()), "no start line");
  EXPECT_EQ(TakeErrorText(*api.value()), "no reason given");
}

}  // namespace
}  // namespace serving::net::openssl
