// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "fuzz/targets.h"
#include "net/server.h"

namespace serving::fuzz {
namespace {

// A connection that was shut must end within this time.
constexpr int kPatienceMs = 20'000;

// libFuzzer watches its inputs' time with a signal, which interrupts what waits.
template <typename Call>
auto AgainIfInterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Swallows a body and answers with two bytes, at once for a path that ends with 'a'.
class Swallower final : public net::RequestHandler {
 public:
  net::Exchange* OnRequest(net::Stream& stream, const net::RequestHead& head) override {
    auto* exchange = new OneRequest(stream);
    if (head.path.ends_with('a')) exchange->Answer();
    return exchange;
  }
  void OnWake() override {}
  void OnTurnEnd() override {}

 private:
  class OneRequest final : public net::Exchange {
   public:
    explicit OneRequest(net::Stream& stream) : stream_(stream) {}
    void Answer() {
      is_answered_ = true;
      stream_.SendHead(200, {}, 2);
      stream_.SendBytes(std::as_bytes(std::span("ok", 2)));
      stream_.Finish({});
    }
    std::span<std::byte> BodySpace(size_t want) override {
      return std::span(body_).first(std::min(want, body_.size()));
    }
    void BodyArrived(size_t n) override {
      SERVING_CHECK(n <= body_.size(), "more body than there was room for");
    }
    void OnBodyEnd() override {
      SERVING_CHECK(!is_answered_, "the body of an answered request went on");
      Answer();
    }
    void OnClosed(bool) override { delete this; }

   private:
    net::Stream& stream_;
    bool is_answered_ = false;
    std::array<std::byte, 64> body_;
  };
};

uint16_t ServerPort() {
  static const uint16_t port = [] {
    net::Limits limits;
    limits.max_header_bytes = 4096;
    limits.max_streams_per_connection = 16;
    // Lives as long as the process.
    static std::unique_ptr<net::Server> server =
        net::Server::Start(1, limits, [](int, const base::Ref<base::Waker>&) {
          return std::make_unique<Swallower>();
        }).Take();
    net::ListenerOptions options;
    options.host = "127.0.0.1";
    return server->Listen(options).Take().port;
  }();
  return port;
}

int Connect() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(ServerPort());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connected = AgainIfInterrupted(
      [&] { return connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)); });
  SERVING_CHECK(connected == 0, "the server takes no connection any more");
  return fd;
}

// Sends all, shuts the sending side, and reads until the server has ended the connection.
void Exchange(std::string_view preface, std::span<const uint8_t> data) {
  const int fd = Connect();
  for (std::span<const std::byte> rest : {std::as_bytes(std::span(preface)), std::as_bytes(data)}) {
    while (!rest.empty()) {
      const ssize_t sent =
          AgainIfInterrupted([&] { return send(fd, rest.data(), rest.size(), MSG_NOSIGNAL); });
      if (sent <= 0) break;  // refused already
      rest = rest.subspan(static_cast<size_t>(sent));
    }
  }
  shutdown(fd, SHUT_WR);
  std::array<char, 4096> sink;
  for (;;) {
    pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = AgainIfInterrupted([&] { return poll(&poll_fd, 1, kPatienceMs); });
    SERVING_CHECK(ready == 1, "a shut connection does not end");
    if (AgainIfInterrupted([&] { return recv(fd, sink.data(), sink.size(), 0); }) <= 0) break;
  }
  close(fd);
}

}  // namespace

void FuzzHttp1(std::span<const uint8_t> data) { Exchange({}, data); }

// Frames behind the preface and an empty SETTINGS.
void FuzzHttp2(std::span<const uint8_t> data) {
  static constexpr std::string_view kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
                                             33);
  Exchange(kPreface, data);
}

}  // namespace serving::fuzz
