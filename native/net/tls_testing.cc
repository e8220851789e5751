// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/tls_testing.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace serving::net {
namespace {

using openssl::Bio;
using openssl::Certificate;
using openssl::Context;
using openssl::Key;
using openssl::Ssl;

const openssl::Api& Api() {
  static const openssl::Api& api = *openssl::Load().value();
  return api;
}

template <typename Result, typename... Arguments>
Result Call(const char* name, Arguments... arguments) {
  auto const function = OpenSslFunction<Result (*)(Arguments...)>(name);
  SERVING_CHECK(function != nullptr, name);
  return function(arguments...);
}

std::string TextOf(Bio* bio) {
  constexpr int kControlInfo = 3;
  char* data = nullptr;
  const long size = Call<long, Bio*, int, long, void*>("BIO_ctrl", bio, kControlInfo, 0L, &data);
  std::string text(data, static_cast<size_t>(size));
  Api().BIO_free(bio);
  return text;
}

Bio* NewText() { return Api().BIO_new(Call<const openssl::BioMethod*>("BIO_s_mem")); }

std::string PemOf(Certificate* certificate) {
  Bio* const text = NewText();
  Call<int, Bio*, Certificate*>("PEM_write_bio_X509", text, certificate);
  return TextOf(text);
}

std::string PemOf(Key* key) {
  Bio* const text = NewText();
  Call<int, Bio*, Key*, void*, void*, int, void*, void*>("PEM_write_bio_PrivateKey", text, key,
                                                         nullptr, nullptr, 0, nullptr, nullptr);
  return TextOf(text);
}

Key* NewKey() {
  using Generate = Key* (*)(void*, const char*, const char*, ...);
  Key* const key = OpenSslFunction<Generate>("EVP_PKEY_Q_keygen")(nullptr, nullptr, "EC", "P-256");
  SERVING_CHECK(key != nullptr, "a key");
  return key;
}

void Extend(Certificate* certificate, const char* name, const char* value) {
  void* const extension = Call<void*, void*, void*, const char*, const char*>(
      "X509V3_EXT_nconf", nullptr, nullptr, name, value);
  SERVING_CHECK(extension != nullptr, value);
  Call<int, Certificate*, void*, int>("X509_add_ext", certificate, extension, -1);
  Call<void, void*>("X509_EXTENSION_free", extension);
}

// Not signed yet.
Certificate* NewCertificate(const std::string& name, Key* key, long valid_seconds) {
  static long serial = 1;
  Certificate* const made = Call<Certificate*>("X509_new");
  Call<int, Certificate*, long>("X509_set_version", made, 2L);
  Call<int, void*, long>("ASN1_INTEGER_set",
                         Call<void*, Certificate*>("X509_get_serialNumber", made), serial++);
  Call<void*, void*, long>("X509_gmtime_adj",
                           Call<void*, Certificate*>("X509_getm_notBefore", made), -3'600L);
  Call<void*, void*, long>("X509_gmtime_adj", Call<void*, Certificate*>("X509_getm_notAfter", made),
                           valid_seconds);
  Call<int, Certificate*, Key*>("X509_set_pubkey", made, key);
  constexpr int kUtf8 = 0x1000;
  Call<int, void*, const char*, int, const unsigned char*, int, int, int>(
      "X509_NAME_add_entry_by_txt", Call<void*, Certificate*>("X509_get_subject_name", made), "CN",
      kUtf8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return made;
}

void Sign(Certificate* certificate, Certificate* issuer, Key* key) {
  Call<int, Certificate*, void*>("X509_set_issuer_name", certificate,
                                 Call<void*, Certificate*>("X509_get_subject_name", issuer));
  const int size = Call<int, Certificate*, Key*, const void*>("X509_sign", certificate, key,
                                                              Call<const void*>("EVP_sha256"));
  SERVING_CHECK(size > 0, "a signature");
}

}  // namespace

struct TestAuthority::Material {
  Key* key;
  Certificate* certificate;
};

TestAuthority::TestAuthority(std::string name, const TestAuthority* issuer)
    : material_(std::make_unique<Material>()) {
  material_->key = NewKey();
  material_->certificate = NewCertificate(name, material_->key, 86'400);
  Extend(material_->certificate, "basicConstraints", "critical,CA:TRUE");
  const Material& signer = issuer == nullptr ? *material_ : *issuer->material_;
  Sign(material_->certificate, signer.certificate, signer.key);
  certificate_ = PemOf(material_->certificate);
}

TestAuthority::~TestAuthority() {
  Api().X509_free(material_->certificate);
  Api().EVP_PKEY_free(material_->key);
}

TestIdentity TestAuthority::Issue(const std::string& name, long valid_seconds) const {
  Key* const key = NewKey();
  Certificate* const made = NewCertificate(name, key, valid_seconds);
  Extend(made, "subjectAltName", "DNS:localhost,IP:127.0.0.1");
  Sign(made, material_->certificate, material_->key);
  TestIdentity identity{PemOf(made), PemOf(key)};
  Api().X509_free(made);
  Api().EVP_PKEY_free(key);
  return identity;
}

const TestAuthority& CommonAuthority() {
  static const TestAuthority authority("common authority");
  return authority;
}

const TestIdentity& CommonServer() {
  static const TestIdentity identity = CommonAuthority().Issue("localhost");
  return identity;
}

TlsOptions ServerTlsOptions(std::optional<std::string> client_ca) {
  TlsOptions options;
  options.certificate = {"server.crt", CommonServer().certificate};
  options.key = {"server.key", CommonServer().key};
  if (client_ca) options.client_ca = {"client-ca.crt", *std::move(client_ca)};
  return options;
}

base::Ref<TlsContext> ServerTls(const TlsOptions& options) {
  auto made = TlsContext::Make(options);
  SERVING_CHECK(made.ok(), "a server's TLS");
  return made.Take();
}

int TlsPeer::OnBioRead(Bio* bio, char* to, int size) {
  const auto& self = *static_cast<TlsPeer*>(Api().BIO_get_data(bio));
  return static_cast<int>(recv(self.fd_, to, static_cast<size_t>(size), 0));
}

int TlsPeer::OnBioWrite(Bio* bio, const char* from, int size) {
  static_cast<TlsPeer*>(Api().BIO_get_data(bio))->output_.append(from, static_cast<size_t>(size));
  return size;
}

TlsPeer::TlsPeer(int fd, const TlsPeerOptions& options) : api_(Api()), fd_(fd) {
  api_.ERR_clear_error();
  context_ = api_.SSL_CTX_new(Call<const openssl::Method*>("TLS_client_method"));
  constexpr int kControlHighestVersion = 124;
  if (options.highest_version != 0) {
    api_.SSL_CTX_ctrl(context_, kControlHighestVersion, options.highest_version, nullptr);
  }
  Bio* const ca = api_.BIO_new_mem_buf(options.ca.data(), static_cast<int>(options.ca.size()));
  Certificate* const trusted = api_.PEM_read_bio_X509(ca, nullptr, nullptr, nullptr);
  api_.BIO_free(ca);
  api_.X509_STORE_add_cert(api_.SSL_CTX_get_cert_store(context_), trusted);
  api_.X509_free(trusted);
  api_.SSL_CTX_set_verify(context_, openssl::kVerifyPeer, nullptr);
  if (!options.identity.key.empty()) {
    const std::string& pem = options.identity.certificate;
    Bio* const text = api_.BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    Certificate* const own = api_.PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    api_.BIO_free(text);
    api_.SSL_CTX_use_certificate(context_, own);
    api_.X509_free(own);
    const std::string& key_pem = options.identity.key;
    Bio* const key_text = api_.BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
    Key* const key = api_.PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
    api_.BIO_free(key_text);
    SERVING_CHECK(api_.SSL_CTX_use_PrivateKey(context_, key) == 1, "a client's key");
    api_.EVP_PKEY_free(key);
  }
  ssl_ = api_.SSL_new(context_);
  if (!options.alpn.empty()) {
    Call<int, Ssl*, const unsigned char*, unsigned int>(
        "SSL_set_alpn_protos", ssl_, reinterpret_cast<const unsigned char*>(options.alpn.data()),
        static_cast<unsigned int>(options.alpn.size()));
  }
  static openssl::BioMethod* const method = [this] {
    openssl::BioMethod* const made =
        api_.BIO_meth_new(api_.BIO_get_new_index() | openssl::kBioTypeSourceSink, "test client");
    api_.BIO_meth_set_read(made, &OnBioRead);
    api_.BIO_meth_set_write(made, &OnBioWrite);
    api_.BIO_meth_set_ctrl(made, [](Bio* bio, int command, long, void*) -> long {
      // What is gathered must leave before an answer is waited for.
      if (command != openssl::kBioControlFlush) return 0;
      return static_cast<TlsPeer*>(Api().BIO_get_data(bio))->Flush(true) ? 1 : -1;
    });
    return made;
  }();
  Bio* const bio = api_.BIO_new(method);
  api_.BIO_set_data(bio, this);
  api_.BIO_set_init(bio, 1);
  api_.SSL_set_bio(ssl_, bio, bio);
  Call<void, Ssl*>("SSL_set_connect_state", ssl_);
}

TlsPeer::~TlsPeer() {
  api_.SSL_free(ssl_);
  api_.SSL_CTX_free(context_);
}

bool TlsPeer::Flush(bool waits) {
  while (!output_.empty()) {
    const ssize_t n = send(fd_, output_.data(), std::min(piece_, output_.size()),
                           MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    if (n <= 0) return !waits && (errno == EAGAIN || errno == EWOULDBLOCK);
    output_.erase(0, static_cast<size_t>(n));
  }
  return true;
}

void TlsPeer::NoteFailure() { failure_ = openssl::TakeErrorText(api_); }

bool TlsPeer::Handshake() {
  api_.ERR_clear_error();
  if (Call<int, Ssl*>("SSL_do_handshake", ssl_) == 1) return Flush(true);
  NoteFailure();
  Flush(true);
  return false;
}

bool TlsPeer::Send(std::string_view bytes) {
  api_.ERR_clear_error();
  if (!bytes.empty() && api_.SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) <= 0) {
    NoteFailure();
    Flush(true);
    return false;
  }
  return Flush(true);
}

size_t TlsPeer::TrySend(std::string_view bytes) {
  if (!Flush(false) || !output_.empty()) return 0;
  const std::string_view part = bytes.substr(0, 16'384);
  api_.ERR_clear_error();
  if (api_.SSL_write(ssl_, part.data(), static_cast<int>(part.size())) <= 0) {
    NoteFailure();
    return 0;
  }
  Flush(false);
  return part.size();
}

ssize_t TlsPeer::Receive(char* to, size_t size) {
  api_.ERR_clear_error();
  const int n = api_.SSL_read(ssl_, to, static_cast<int>(size));
  if (n > 0) return n;
  if (api_.SSL_get_error(ssl_, n) == openssl::kErrorZeroReturn) return 0;
  NoteFailure();
  return -1;
}

void TlsPeer::EndSending() {
  if (!api_.SSL_is_init_finished(ssl_)) return;
  api_.ERR_clear_error();
  api_.SSL_shutdown(ssl_);
  api_.ERR_clear_error();
  Flush(false);
}

bool TlsPeer::HasInput() const { return api_.SSL_has_pending(ssl_) != 0; }

std::string TlsPeer::alpn() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  Call<void, const Ssl*, const unsigned char**, unsigned int*>("SSL_get0_alpn_selected", ssl_,
                                                               &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsPeer::version() const {
  return Call<const char*, const Ssl*>("SSL_get_version", ssl_);
}

bool TlsPeer::was_resumed() const { return Call<int, const Ssl*>("SSL_session_reused", ssl_) == 1; }

void TlsPeer::ResumeFrom(const TlsPeer& other) {
  void* const session = Call<void*, const Ssl*>("SSL_get1_session", other.ssl_);
  Call<int, Ssl*, void*>("SSL_set_session", ssl_, session);
  Call<void, void*>("SSL_SESSION_free", session);
}

bool TlsPeer::AskForKeyUpdate() {
  constexpr int kRequested = 1;
  return Call<int, Ssl*, int>("SSL_key_update", ssl_, kRequested) == 1;
}

bool TlsPeer::Renegotiate() { return Call<int, Ssl*>("SSL_renegotiate", ssl_) == 1 && Handshake(); }

bool RunsOverTls() {
  static const bool is_set = std::getenv("NEREID_TEST_TLS") != nullptr;
  return is_set;
}

}  // namespace serving::net
