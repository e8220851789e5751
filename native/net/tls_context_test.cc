// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/tls_context.h"

#include <gtest/gtest.h>

#include <string>

#include "net/tls_channel.h"
#include "net/tls_testing.h"

namespace serving::net {
namespace {

std::string ErrorOf(const TlsOptions& options) {
  const auto made = TlsContext::Make(options);
  EXPECT_FALSE(made.ok());
  return made.ok() ? std::string() : made.status().message();
}

TEST(TlsContext, TakesACertificateWithItsChain) {
  TlsOptions options = ServerTlsOptions(CommonAuthority().certificate());
  options.certificate.pem += CommonAuthority().certificate();
  EXPECT_TRUE(TlsContext::Make(options).ok());
}

TEST(TlsContext, NamesTheFileWithoutCertificates) {
  TlsOptions options = ServerTlsOptions();
  options.certificate.pem = "";
  EXPECT_EQ(ErrorOf(options),
            "'server.crt': expected certificates in PEM form (-----BEGIN CERTIFICATE-----), got "
            "none (no start line)");
  options.certificate.pem = CommonServer().key;
  EXPECT_EQ(ErrorOf(options),
            "'server.crt': expected certificates in PEM form (-----BEGIN CERTIFICATE-----), got "
            "none (no start line)");
}

TEST(TlsContext, SaysWhichCertificateIsDamaged) {
  TlsOptions options = ServerTlsOptions();
  std::string damaged = CommonAuthority().certificate();
  damaged[60] = '*';
  options.certificate.pem += damaged;
  EXPECT_TRUE(ErrorOf(options).starts_with("'server.crt': certificate 2 cannot be read: "))
      << ErrorOf(options);
}

TEST(TlsContext, RefusesEveryTruncationOfTheCertificate) {
  const std::string whole = CommonServer().certificate;
  TlsOptions options = ServerTlsOptions();
  // Without the dashes of its last line OpenSSL may still take it for whole.
  for (size_t size = 0; size < whole.size() - 8; size += 7) {
    options.certificate.pem = whole.substr(0, size);
    EXPECT_FALSE(TlsContext::Make(options).ok()) << size;
  }
}

TEST(TlsContext, RefusesAKeyThatIsNone) {
  TlsOptions options = ServerTlsOptions();
  options.key.pem = "hello";
  EXPECT_TRUE(ErrorOf(options).starts_with(
      "'server.key': expected a private key in PEM form (-----BEGIN PRIVATE KEY-----) that has no "
      "password, got none that can be read ("))
      << ErrorOf(options);
}

TEST(TlsContext, RefusesTheKeyOfAnotherCertificateAndDoesNotShowIt) {
  TlsOptions options = ServerTlsOptions();
  options.key.pem = CommonAuthority().Issue("other").key;
  EXPECT_EQ(ErrorOf(options),
            "'server.key': expected the private key of the first certificate in 'server.crt', got "
            "another (key values mismatch)");
}

// Asking for the password would stop the server's start at a terminal.
TEST(TlsContext, DoesNotAskForAPassword) {
  TlsOptions options = ServerTlsOptions();
  options.key.pem =
      "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END EC PRIVATE KEY-----\n";
  EXPECT_NE(ErrorOf(options).find("a key with a password loses it with `openssl pkey"),
            std::string::npos)
      << ErrorOf(options);
}

TEST(TlsContext, RefusesAnAuthorityThatIsNone) {
  EXPECT_EQ(ErrorOf(ServerTlsOptions("nobody")),
            "'client-ca.crt': expected certificates in PEM form (-----BEGIN CERTIFICATE-----), "
            "got none (no start line)");
}

// Nobody to trust must not mean that everybody is.
TEST(TlsContext, RefusesAnEmptyListOfAuthorities) {
  EXPECT_TRUE(ErrorOf(ServerTlsOptions("")).starts_with("'client-ca.crt': expected certificates"));
}

TEST(TlsContext, KeepsWhatItHasWhenRenewalFails) {
  const auto context = ServerTls();
  TlsOptions broken = ServerTlsOptions();
  broken.key.pem.clear();
  EXPECT_FALSE(context->Renew(broken).ok());
  ChunkPool chunks;
  EXPECT_NE(context->Accept(-1, chunks), nullptr);
}

}  // namespace
}  // namespace serving::net
