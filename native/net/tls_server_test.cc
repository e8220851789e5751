// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// TLS over real sockets: what only TLS has. The tests of plain connections run over TLS too (see
// CMakeLists.txt).

#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <optional>
#include <string>

#include "net/testing.h"
#include "net/tls_testing.h"

namespace serving::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::string_literals;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kAlpnBoth = "\x02h2\x08http/1.1"s;

class TlsServer : public testing::Test {
 protected:
  void Start(const TlsOptions& options = ServerTlsOptions(), const Limits& limits = {},
             const base::Clock* with_clock = nullptr) {
    server.emplace(limits, 1, with_clock);
    context = ServerTls(options);
    ListenerOptions listener;
    listener.tls = context;
    port = server->Listen(listener);
  }
  void TearDown() override {
    if (server) server->Stop();
    EXPECT_EQ(TestBuffer::live(), 0);
  }
  std::string Hello(Client& client) {
    client.Send(kHello);
    return ReadResponse(client).body;
  }
  // A peer that the server does not let in; returns why it believes so.
  std::string Refused(const TlsPeerOptions& options) {
    Client client(port, options);
    client.Send(kHello);
    // TLS 1.3 lets a client speak before it hears of the refusal.
    client.Receive();
    EXPECT_EQ(server->Count("request GET /hello"), 0u);
    return client.tls().failure();
  }

  TestClock clock;  // for those that move it; outlives the server
  std::optional<TestServer> server;
  base::Ref<TlsContext> context;
  uint16_t port = 0;
};

TEST_F(TlsServer, AnswersOverTls13AndTls12) {
  Start();
  Client newest(port, TlsPeerOptions());
  EXPECT_EQ(Hello(newest), "hello");
  EXPECT_EQ(newest.tls().version(), "TLSv1.3");
  TlsPeerOptions options;
  options.highest_version = 0x0303;
  Client older(port, options);
  EXPECT_EQ(Hello(older), "hello");
  EXPECT_EQ(older.tls().version(), "TLSv1.2");
}

TEST_F(TlsServer, RefusesTls11) {
  Start();
  TlsPeerOptions options;
  options.highest_version = 0x0302;
  const std::string why = Refused(options);
  // A client whose OpenSSL has no TLS 1.1 left refuses itself.
  EXPECT_TRUE(why.find("protocol version") != std::string::npos || why == "no protocols available")
      << why;
}

TEST_F(TlsServer, ChoosesByAlpn) {
  Start();
  TlsPeerOptions options;
  options.alpn = kAlpnBoth;
  Client both(port, options);
  ASSERT_TRUE(both.tls().Handshake()) << both.tls().failure();
  EXPECT_EQ(both.tls().alpn(), "h2");
  options.alpn = "\x08http/1.1"s;
  Client one(port, options);
  EXPECT_EQ(Hello(one), "hello");
  EXPECT_EQ(one.tls().alpn(), "http/1.1");
  Client none(port, TlsPeerOptions());
  EXPECT_EQ(Hello(none), "hello");
  EXPECT_EQ(none.tls().alpn(), "");
}

TEST_F(TlsServer, RefusesProtocolsThatThePortDoesNotSpeak) {
  TlsOptions tls = ServerTlsOptions();
  tls.offers_http1 = false;
  Start(tls);
  TlsPeerOptions options;
  options.alpn = "\x08http/1.1"s;
  const std::string why = Refused(options);
  EXPECT_NE(why.find("no application protocol"), std::string::npos) << why;
}

TEST_F(TlsServer, ServesHttp2) {
  Start();
  TlsPeerOptions options;
  options.alpn = kAlpnBoth;
  Http2Client client(std::make_unique<Client>(port, options));
  const std::string body = Pattern(1 << 20);
  EXPECT_EQ(client.Wait(client.Request("POST", "/echo", body)).body, body);
}

TEST_F(TlsServer, TakesAndGivesFourMebibytes) {
  Start();
  Client client(port, TlsPeerOptions());
  const std::string body = Pattern(4 << 20);
  client.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  EXPECT_TRUE(ReadResponse(client).body == body);
  client.Send("GET /large?4194304 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(ReadResponse(client).body == body);
  EXPECT_TRUE(server->WaitFor("closed /large answered"));
}

TEST_F(TlsServer, TakesRecordsAByteAtATime) {
  Start();
  Client client(port, TlsPeerOptions());
  for (const char c : kHello) client.Send(std::string(1, c));
  EXPECT_EQ(ReadResponse(client).body, "hello");
}

// The client's socket sees every cut of the records; the server's TLS must wait for the rest.
TEST_F(TlsServer, TakesTheHandshakeAByteAtATime) {
  Start();
  Client client(port, TlsPeerOptions());
  client.tls().SendInPieces(1);
  EXPECT_EQ(Hello(client), "hello");
}

TEST_F(TlsServer, SlowReaderStallsTheWriteAndLosesTheConnection) {
  Limits limits;
  limits.write_timeout = seconds(10);
  Start(ServerTlsOptions(), limits, &clock);
  Client client(port, TlsPeerOptions(), 4096);
  client.Send("GET /large?33554432 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_FALSE(client.Receive(1).empty());
  server->Wake();
  clock.Advance(seconds(9));
  server->Wake();
  EXPECT_EQ(server->server().connections(), 1u);
  clock.Advance(seconds(21));
  server->Wake();
  EXPECT_TRUE(server->WaitForConnections(0));
  EXPECT_EQ(server->Count("closed /large not answered"), 1u);
}

// The server's end of the connection whose other end is `fd`: both live in this process.
int OtherEndOf(int fd) {
  sockaddr_in own{};
  socklen_t size = sizeof(own);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size), 0);
  for (int other = 3; other < 1024; ++other) {
    sockaddr_in peer{};
    size = sizeof(peer);
    if (getpeername(other, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
        peer.sin_family == AF_INET && peer.sin_port == own.sin_port) {
      return other;
    }
  }
  return -1;
}

// What is encrypted and not sent is on its way as well: a stream that sends 64 KiB when the last
// have drained has not drained more than the socket took.
void ExpectDrainedIsSent(TestServer& server, int fd) {
  const int other = OtherEndOf(fd);
  ASSERT_GE(other, 0);
  size_t drained = 0;
  for (int unchanged = 0; unchanged < 50; ++unchanged) {
    server.Wake();
    const size_t now = server.Count("drained /stream");
    if (now != drained) unchanged = 0;
    drained = now;
  }
  ASSERT_LT(drained, 1000u) << "it never stood still";
  int sent = 0;
  int received = 0;
  ASSERT_EQ(ioctl(other, SIOCOUTQ, &sent), 0);
  ASSERT_EQ(ioctl(fd, FIONREAD, &received), 0);
  EXPECT_LE(drained * 64 * 1024, static_cast<size_t>(sent + received));
}

TEST_F(TlsServer, EncryptedBytesCountAsUnsentHttp1) {
  Start();
  Client client(port, TlsPeerOptions(), 4096);
  client.Send("GET /stream?1000 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(server->WaitFor("drained /stream"));
  ExpectDrainedIsSent(*server, client.fd());
}

TEST_F(TlsServer, EncryptedBytesCountAsUnsentHttp2) {
  Start();
  Client client(port, TlsPeerOptions(), 4096);
  constexpr char kLargestWindow[] = "\0\4\x7f\xff\xff\xff";
  client.Send(std::string(kHttp2Preface) + RawFrame(4, 0, 0, std::string(kLargestWindow, 6)) +
              RawFrame(8, 0, 0, "\x7f\xff\0\0"s) +
              RawFrame(1, 5, 1, "\x82\x86\x44\x0c/stream?1000\x41\x01h"));
  ASSERT_TRUE(server->WaitFor("drained /stream"));
  ExpectDrainedIsSent(*server, client.fd());
}

TEST_F(TlsServer, EndsInOrder) {
  Start();
  Client client(port, TlsPeerOptions());
  client.Send("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReceiveAll().ends_with("hello"));
  EXPECT_FALSE(client.was_reset()) << client.tls().failure();
}

TEST_F(TlsServer, TakesCloseNotifyForTheEnd) {
  Start();
  Client client(port, TlsPeerOptions());
  EXPECT_EQ(Hello(client), "hello");
  client.tls().EndSending();  // the socket stays open
  EXPECT_TRUE(server->WaitForConnections(0));
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_FALSE(client.was_reset()) << client.tls().failure();
}

TEST_F(TlsServer, PeerThatVanishesAfterTheHandshakeLeavesNothing) {
  Start();
  Client client(port, TlsPeerOptions());
  ASSERT_TRUE(client.tls().Handshake());
  EXPECT_TRUE(server->WaitForConnections(1));
  client.Reset();
  EXPECT_TRUE(server->WaitForConnections(0));
}

TEST_F(TlsServer, HalfAHandshakeEndsWithTheHeadsTimeLimit) {
  Limits limits;
  limits.head_timeout = seconds(10);
  Start(ServerTlsOptions(), limits, &clock);
  const auto half = Client::Plain(port);
  half->Send("\x16\x03\x01\x02"s);
  const auto silent = Client::Plain(port);
  EXPECT_TRUE(server->WaitForConnections(2));
  server->Wake();
  clock.Advance(seconds(9));
  server->Wake();
  EXPECT_EQ(server->server().connections(), 2u);
  clock.Advance(seconds(3));
  server->Wake();
  EXPECT_TRUE(server->WaitForConnections(0));
}

TEST_F(TlsServer, AHandshakeHasALimitOfItsOwn) {
  Start(ServerTlsOptions(), {}, &clock);
  const auto silent = Client::Plain(port);
  EXPECT_TRUE(server->WaitForConnections(1));
  server->Wake();
  clock.Advance(seconds(119));
  server->Wake();
  EXPECT_EQ(server->server().connections(), 1u);
  clock.Advance(seconds(6));
  server->Wake();
  EXPECT_TRUE(server->WaitForConnections(0));
}

TEST_F(TlsServer, PlainHttpIsToldWhatIsWrong) {
  Start();
  const auto client = Client::Plain(port);
  client->Send(kHello);
  const Response answer = ReadResponse(*client);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body,
            R"({"error":"this port speaks TLS only: use https, or a secure gRPC channel"})");
  EXPECT_EQ(client->ReceiveAll(), "");
  EXPECT_FALSE(client->was_reset());
  EXPECT_EQ(server->Count("request GET /hello"), 0u);
}

TEST_F(TlsServer, PlainHttp2IsToldWhatIsWrong) {
  Start();
  const auto client = Client::Plain(port);
  client->Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(ReadResponse(*client).status, 400);
}

TEST_F(TlsServer, GarbageGetsAnAlertAndTheEnd) {
  Start();
  for (const std::string& garbage :
       {std::string(64, '\0'), std::string(64, '\xff'), "\x16\x03\x01\x00\x05hello"s,
        "\x17\x03\x03\x00\x05hello"s, "\x15\x03\x03\x00\x02\x02\x28"s,
        "\x16\x03\x01\xff\xff"s + std::string(70'000, 'x')}) {
    const auto client = Client::Plain(port);
    client->Send(garbage);
    client->ReceiveAll();
    client->Close();
    EXPECT_TRUE(server->WaitForConnections(0));
  }
  Client good(port, TlsPeerOptions());
  EXPECT_EQ(Hello(good), "hello");
}

TEST_F(TlsServer, DamagedRecordEndsTheConnection) {
  Start();
  Client client(port, TlsPeerOptions());
  EXPECT_EQ(Hello(client), "hello");
  client.Send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(server->WaitFor("end /hold"));
  const std::string record = "\x17\x03\x03\x00\x20"s + std::string(32, 'x');
  ASSERT_EQ(send(client.fd(), record.data(), record.size(), 0), std::ssize(record));
  EXPECT_TRUE(server->WaitFor("closed /hold not answered"));
  client.Receive();
  EXPECT_NE(client.tls().failure().find("bad record mac"), std::string::npos)
      << client.tls().failure();
}

TEST_F(TlsServer, AsksForAClientCertificate) {
  const TestAuthority authority("clients");
  const TestAuthority stranger("stranger");
  Start(ServerTlsOptions(authority.certificate()));
  EXPECT_NE(Refused({}).find("certificate required"), std::string::npos);
  TlsPeerOptions wrong;
  wrong.identity = stranger.Issue("client");
  EXPECT_NE(Refused(wrong).find("unknown ca"), std::string::npos);
  TlsPeerOptions expired;
  expired.identity = authority.Issue("client", -60);
  EXPECT_NE(Refused(expired).find("certificate expired"), std::string::npos);
  TlsPeerOptions right;
  right.identity = authority.Issue("client");
  Client client(port, right);
  EXPECT_EQ(Hello(client), "hello");
}

TEST_F(TlsServer, TrustsAnAuthorityThatIsNoRoot) {
  const TestAuthority root("root");
  const TestAuthority department("department", &root);
  Start(ServerTlsOptions(department.certificate()));
  TlsPeerOptions options;
  options.identity = department.Issue("client");
  Client client(port, options);
  EXPECT_EQ(Hello(client), "hello");
  TlsPeerOptions wrong;
  wrong.identity = root.Issue("client");
  Client other(port, wrong);
  other.Send(kHello);
  other.Receive();
  EXPECT_EQ(server->Count("request GET /hello"), 1u);
}

TEST_F(TlsServer, ResumesWithATicketAlsoWithAClientCertificate) {
  const TestAuthority authority("clients");
  Start(ServerTlsOptions(authority.certificate()));
  for (const long version : {0x0303L, 0x0304L}) {
    TlsPeerOptions options;
    options.highest_version = version;
    options.identity = authority.Issue("client");
    Client first(port, options);
    EXPECT_EQ(Hello(first), "hello");
    EXPECT_FALSE(first.tls().was_resumed());
    Client second(port, options);
    second.tls().ResumeFrom(first.tls());
    EXPECT_EQ(Hello(second), "hello");
    EXPECT_TRUE(second.tls().was_resumed()) << version;
  }
}

TEST_F(TlsServer, DoesNotRenegotiate) {
  Start();
  TlsPeerOptions options;
  options.highest_version = 0x0303;
  Client client(port, options);
  EXPECT_EQ(Hello(client), "hello");
  EXPECT_FALSE(client.tls().Renegotiate());
  EXPECT_NE(client.tls().failure().find("no renegotiation"), std::string::npos)
      << client.tls().failure();
}

TEST_F(TlsServer, LivesThroughManyKeyUpdates) {
  Start();
  Client client(port, TlsPeerOptions());
  EXPECT_EQ(Hello(client), "hello");
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(client.tls().AskForKeyUpdate());
    client.Send("GET /hello HTTP/1.1\r\n");
    client.Send("Host: h\r\n\r\n");
    EXPECT_EQ(ReadResponse(client).body, "hello");
  }
}

TEST_F(TlsServer, NewConnectionsGetRenewedCertificates) {
  TlsOptions tls = ServerTlsOptions();
  tls.offers_http2 = false;
  Start(tls);
  Client before(port, TlsPeerOptions());
  EXPECT_EQ(Hello(before), "hello");
  const TestAuthority other("other authority");
  const TestIdentity identity = other.Issue("localhost");
  TlsOptions renewed = ServerTlsOptions();
  renewed.certificate.pem = identity.certificate;
  renewed.key.pem = identity.key;
  ASSERT_TRUE(context->Renew(renewed).ok());
  EXPECT_EQ(Hello(before), "hello");
  TlsPeerOptions trusting;
  trusting.ca = other.certificate();
  Client after(port, trusting);
  EXPECT_EQ(Hello(after), "hello");
  trusting.alpn = kAlpnBoth;
  Client choosing(port, trusting);
  ASSERT_TRUE(choosing.tls().Handshake());
  EXPECT_EQ(choosing.tls().alpn(), "http/1.1");
  Client distrusting(port, TlsPeerOptions());
  EXPECT_FALSE(distrusting.tls().Handshake());
}

TEST_F(TlsServer, LeavesNoDescriptorBehind) {
  Start();
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) {
    Client client(port, TlsPeerOptions());
    EXPECT_EQ(Hello(client), "hello");
    const auto plain = Client::Plain(port);
    plain->Send("no TLS");
    plain->ReceiveAll();
  }
  EXPECT_TRUE(server->WaitForConnections(0));
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace serving::net
