// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// The part of OpenSSL's C interface that TLS connections use, declared in our own words: the code
// is the copy that the node binary exports. Numbers follow the public headers of OpenSSL 3.x;
// tls_abi_test compares them with the real headers where there are some.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace serving::net::openssl {

// Opaque.
struct Bio;
struct BioMethod;
struct Certificate;
struct CertificateStore;
struct Context;
struct Key;
struct Method;
struct Ssl;
struct StoreContext;

// Commands of SSL_CTX_ctrl, which the headers hide behind macros.
inline constexpr int kControlMode = 33;
inline constexpr int kControlReadAhead = 41;
inline constexpr int kControlSessionCacheMode = 44;
inline constexpr int kControlChainCertificate = 89;
inline constexpr int kControlMinimumVersion = 123;

inline constexpr long kModeReleaseBuffers = 16;
inline constexpr long kSessionCacheOff = 0;
inline constexpr long kTls12 = 0x0303;

inline constexpr uint64_t kOptionNoCompression = uint64_t{1} << 17;
inline constexpr uint64_t kOptionServerPreference = uint64_t{1} << 22;
inline constexpr uint64_t kOptionNoRenegotiation = uint64_t{1} << 30;

inline constexpr int kVerifyNone = 0;
inline constexpr int kVerifyPeer = 1;
inline constexpr int kVerifyFailWithoutCertificate = 2;

// Trusts a certificate of the list also where it is not a root.
inline constexpr unsigned long kVerifyPartialChain = 0x80000;

inline constexpr int kErrorWantRead = 2;
inline constexpr int kErrorSystemCall = 5;
inline constexpr int kErrorZeroReturn = 6;

inline constexpr int kAlpnOk = 0;
inline constexpr int kAlpnAlert = 2;

inline constexpr int kBioTypeSourceSink = 0x0400;
inline constexpr int kBioControlFlush = 11;
inline constexpr int kBioFlagRead = 1;
inline constexpr int kBioFlagRetry = 8;
inline constexpr int kBioFlagsOfRetry = 15;

using AskPassword = int (*)(char* to, int size, int for_writing, void* user);
using SelectAlpn = int (*)(Ssl*, const unsigned char** chosen, unsigned char* chosen_size,
                           const unsigned char* offered, unsigned int offered_size, void* user);
using Verify = int (*)(int is_good, StoreContext*);
using BioRead = int (*)(Bio*, char* to, int size);
using BioWrite = int (*)(Bio*, const char* from, int size);
using BioControl = long (*)(Bio*, int command, long number, void* pointer);

// F(name, result, arguments)
#define SERVING_OPENSSL_FUNCTIONS(F)                                                          \
  F(BIO_clear_flags, void, (Bio*, int flags))                                                 \
  F(BIO_free, int, (Bio*))                                                                    \
  F(BIO_get_data, void*, (Bio*))                                                              \
  F(BIO_get_new_index, int, ())                                                               \
  F(BIO_meth_new, BioMethod*, (int type, const char* name))                                   \
  F(BIO_meth_set_ctrl, int, (BioMethod*, BioControl))                                         \
  F(BIO_meth_set_read, int, (BioMethod*, BioRead))                                            \
  F(BIO_meth_set_write, int, (BioMethod*, BioWrite))                                          \
  F(BIO_new, Bio*, (const BioMethod*))                                                        \
  F(BIO_new_mem_buf, Bio*, (const void*, int size))                                           \
  F(BIO_set_data, void, (Bio*, void*))                                                        \
  F(BIO_set_flags, void, (Bio*, int flags))                                                   \
  F(BIO_set_init, void, (Bio*, int))                                                          \
  F(ERR_clear_error, void, ())                                                                \
  F(ERR_peek_last_error, unsigned long, ())                                                   \
  F(ERR_reason_error_string, const char*, (unsigned long error))                              \
  F(EVP_PKEY_free, void, (Key*))                                                              \
  F(PEM_read_bio_PrivateKey, Key*, (Bio*, Key**, AskPassword, void* user))                    \
  F(PEM_read_bio_X509, Certificate*, (Bio*, Certificate**, AskPassword, void* user))          \
  F(SSL_CTX_add_client_CA, int, (Context*, Certificate*))                                     \
  F(SSL_CTX_ctrl, long, (Context*, int command, long number, void* pointer))                  \
  F(SSL_CTX_free, void, (Context*))                                                           \
  F(SSL_CTX_get_cert_store, CertificateStore*, (const Context*))                              \
  F(SSL_CTX_new, Context*, (const Method*))                                                   \
  F(SSL_CTX_set_alpn_select_cb, void, (Context*, SelectAlpn, void* user))                     \
  F(SSL_CTX_set_cipher_list, int, (Context*, const char*))                                    \
  F(SSL_CTX_set_default_read_buffer_len, void, (Context*, size_t))                            \
  F(SSL_CTX_set_num_tickets, int, (Context*, size_t))                                         \
  F(SSL_CTX_set_options, uint64_t, (Context*, uint64_t))                                      \
  F(SSL_CTX_set_session_id_context, int, (Context*, const unsigned char*, unsigned int size)) \
  F(SSL_CTX_set_verify, void, (Context*, int mode, Verify))                                   \
  F(SSL_CTX_up_ref, int, (Context*))                                                          \
  F(SSL_CTX_use_PrivateKey, int, (Context*, Key*))                                            \
  F(SSL_CTX_use_certificate, int, (Context*, Certificate*))                                   \
  F(SSL_free, void, (Ssl*))                                                                   \
  F(SSL_get_error, int, (const Ssl*, int result))                                             \
  F(SSL_has_pending, int, (const Ssl*))                                                       \
  F(SSL_is_init_finished, int, (const Ssl*))                                                  \
  F(SSL_new, Ssl*, (Context*))                                                                \
  F(SSL_read, int, (Ssl*, void* to, int size))                                                \
  F(SSL_set_accept_state, void, (Ssl*))                                                       \
  F(SSL_set_bio, void, (Ssl*, Bio * read, Bio * write))                                       \
  F(SSL_shutdown, int, (Ssl*))                                                                \
  F(SSL_write, int, (Ssl*, const void* from, int size))                                       \
  F(TLS_server_method, const Method*, ())                                                     \
  F(X509_STORE_add_cert, int, (CertificateStore*, Certificate*))                              \
  F(X509_STORE_set_flags, int, (CertificateStore*, unsigned long))                            \
  F(X509_free, void, (Certificate*))

struct Api {
#define SERVING_OPENSSL_MEMBER(name, result, arguments) result(*name) arguments = nullptr;
  SERVING_OPENSSL_FUNCTIONS(SERVING_OPENSSL_MEMBER)
#undef SERVING_OPENSSL_MEMBER
};

// The table, filled once per process: from the running executable, else from libssl.so.3, never
// from both. Fails with a sentence that names what is missing. Any thread.
base::Result<const Api*> Load();

// A function of the same copy; null when it is not there. Any thread.
void* FindSymbol(const char* name);

// Why the last call of this thread failed, in OpenSSL's words; forgets every error of the thread.
std::string TakeErrorText(const Api& api);

}  // namespace serving::net::openssl
