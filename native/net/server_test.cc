// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "net/testing.h"

namespace serving::net {
namespace {

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";

// Raises or lowers the limit of open descriptors for one test.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t wanted) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit changed = before_;
    changed.rlim_cur = std::min(wanted, before_.rlim_max);
    setrlimit(RLIMIT_NOFILE, &changed);
    value_ = changed.rlim_cur;
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  rlim_t value() const { return value_; }

 private:
  rlimit before_{};
  rlim_t value_ = 0;
};

TEST(Server, ServesAThousandConnectionsOnTwoThreads) {
  const DescriptorLimit limit(4096);
  if (limit.value() < 2200)
    GTEST_SKIP() << "this process may have only " << limit.value() << " descriptors";
  TestServer server({}, 2);
  const uint16_t port = server.Listen();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<Client>(port));
    clients.back()->Send(kHello);
  }
  for (const auto& client : clients) EXPECT_EQ(ReadResponse(*client).body, "hello");
  EXPECT_EQ(server.server().connections(), 1000u);
  for (const auto& client : clients) client->Send(kHello);
  for (const auto& client : clients) EXPECT_EQ(ReadResponse(*client).body, "hello");
  EXPECT_TRUE(server.WaitFor("closed /hello answered", 2000));
}

TEST(Server, ListensOnSeveralPortsThatSpeakDifferently) {
  TestServer server;
  ListenerOptions options;
  options.service = 7;
  options.allow_http2 = false;
  const uint16_t http1_port = server.Listen(options);
  options.service = 8;
  options.allow_http1 = false;
  options.allow_http2 = true;
  const uint16_t http2_port = server.Listen(options);

  Client http1(http1_port);
  http1.Send(kHello);
  EXPECT_EQ(ReadResponse(http1).body, "hello");
  EXPECT_EQ(server.last_head(), "GET /hello ?  service 7");
  Http2Client http2(http2_port);
  EXPECT_EQ(http2.Wait(http2.Request("GET", "/hello")).body, "hello");
  EXPECT_EQ(server.last_head(), "GET /hello ?  service 8");

  Client wrong1(http2_port);
  wrong1.Send(kHello);
  Response refused = ReadResponse(wrong1);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body, "{\"error\":\"this port speaks HTTP/2 (gRPC) only\"}");
  Client wrong2(http1_port);
  wrong2.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(ReadResponse(wrong2).body, "{\"error\":\"this port speaks HTTP/1.1 only\"}");
}

TEST(Server, FullServersLetNewConnectionsWait) {
  Limits limits;
  limits.max_connections = 2;
  TestClock clock;  // stands still: no timer helps
  TestServer server(limits, 1, &clock);
  const uint16_t port = server.Listen();
  Client first(port);
  Client second(port);
  for (Client* client : {&first, &second}) {
    client->Send(kHello);
    ReadResponse(*client);
  }
  Client third(port);
  third.Send(kHello);
  first.Send(kHello);
  ReadResponse(first);
  EXPECT_FALSE(third.HasInput());
  EXPECT_EQ(server.server().connections(), 2u);
  second.Close();
  EXPECT_EQ(ReadResponse(third).body, "hello");
  EXPECT_TRUE(server.WaitForConnections(2));
}

TEST(Server, OutOfDescriptorsAcceptingRests) {
  TestServer server;
  const uint16_t port = server.Listen();
  Client served(port);
  served.Send(kHello);
  ReadResponse(served);
  ASSERT_TRUE(server.WaitForConnections(1));
  // One descriptor is left for the client's own end, none for the server's.
  std::vector<int> taken;
  const DescriptorLimit limit(OpenDescriptors() + 20);
  for (int fd = dup(0); fd >= 0; fd = dup(0)) taken.push_back(fd);
  close(taken.back());
  taken.pop_back();
  Client unlucky(port);
  unlucky.Send(kHello);
  served.Send(kHello);
  EXPECT_EQ(ReadResponse(served).body, "hello");
  EXPECT_FALSE(unlucky.HasInput());
  for (const int fd : taken) close(fd);
  EXPECT_EQ(ReadResponse(unlucky).body, "hello");
}

TEST(Server, StopListeningServesWhoeverIsInTheQueue) {
  TestServer server;
  const uint16_t port = server.Listen();
  Client blocking(port);
  blocking.Send("GET /block HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(server.WaitFor("request GET /block"));
  // More than are accepted in one turn; the thread is away while they come.
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<Client>(port));
    clients.back()->Send(kHello);
  }
  std::thread stopping([&] { server.server().StopListening(); });
  server.Unblock();
  stopping.join();
  for (const auto& client : clients) EXPECT_EQ(ReadResponse(*client).body, "hello");
}

TEST(Server, StopListeningFreesThePort) {
  TestServer server;
  const uint16_t port = server.Listen();
  server.server().StopListening();
  TestServer second;
  ListenerOptions options;
  options.port = port;
  EXPECT_EQ(second.Listen(options), port);
}

TEST(Server, TakenPortsAreNamed) {
  TestServer server;
  ListenerOptions options;
  options.host = "127.0.0.1";
  options.port = server.Listen();
  const auto refused = server.server().Listen(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(refused.status().message(),
            "failed to listen on 127.0.0.1:" + std::to_string(options.port) +
                ": the address is in use by another process; choose another port");
}

TEST(Server, UnknownHostsAreNamed) {
  TestServer server;
  ListenerOptions options;
  options.host = "300.1.1.1";
  const auto refused = server.server().Listen(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), base::StatusCode::kInvalidArgument);
}

TEST(Server, LeavesNoDescriptorBehind) {
  const size_t before = OpenDescriptors();
  {
    TestServer server({}, 3);
    const uint16_t port = server.Listen();
    Client client(port);
    client.Send(kHello);
    ReadResponse(client);
    Http2Client http2(port);
    http2.Wait(http2.Request("GET", "/hello"));
    server.Stop();
    server.Stop();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace serving::net
