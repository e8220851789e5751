// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// net_echo [port] [threads]: answers every request with its own body, GET with a few bytes; prints
// the port. Ends at the end of standard input.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/server.h"

namespace {

using serving::base::Buffer;
using serving::base::BufferRef;
using serving::base::Ref;
using serving::net::Exchange;
using serving::net::Header;
using serving::net::RequestHandler;
using serving::net::RequestHead;
using serving::net::Stream;

class OwnedBuffer final : public Buffer {
 public:
  explicit OwnedBuffer(size_t size)
      : Buffer(static_cast<std::byte*>(std::malloc(size)), size, serving::base::MemoryKind::kHost,
               0) {}
  ~OwnedBuffer() override { std::free(data_); }
};

class EchoHandler;

class EchoExchange final : public Exchange {
 public:
  EchoExchange(EchoHandler& handler) : handler_(handler) {}

  void Start(Stream& stream, const RequestHead& head) {
    stream_ = &stream;
    is_grpc_ = head.Find("content-type").value_or("").starts_with("application/grpc");
    arrived_ = 0;
    large_ = {};
    if (head.content_length.value_or(0) > small_.size())
      Grow(static_cast<size_t>(*head.content_length));
  }
  std::span<std::byte> BodySpace(size_t want) override {
    if (arrived_ == capacity()) Grow(std::max(capacity() * 2, arrived_ + want));
    return {data() + arrived_, std::min(want, capacity() - arrived_)};
  }
  void BodyArrived(size_t n) override { arrived_ += n; }
  void OnBodyEnd() override;
  void OnClosed(bool answered) override;

 private:
  std::byte* data() { return large_ ? large_->data() : small_.data(); }
  size_t capacity() const { return large_ ? large_->capacity() : small_.size(); }
  void Grow(size_t to) {
    Ref<OwnedBuffer> larger = serving::base::MakeRef<OwnedBuffer>(to);
    std::copy_n(data(), arrived_, larger->data());
    large_ = larger;
  }

  EchoHandler& handler_;
  Stream* stream_ = nullptr;
  bool is_grpc_ = false;
  size_t arrived_ = 0;
  std::array<std::byte, 1024> small_;
  BufferRef large_;
};

class EchoHandler final : public RequestHandler {
 public:
  Exchange* OnRequest(Stream& stream, const RequestHead& head) override {
    if (idle_.empty()) idle_.push_back(std::make_unique<EchoExchange>(*this));
    EchoExchange* const exchange = idle_.back().release();
    idle_.pop_back();
    exchange->Start(stream, head);
    return exchange;
  }
  void OnWake() override {}
  void OnTurnEnd() override {}
  void GiveBack(EchoExchange* exchange) { idle_.emplace_back(exchange); }

 private:
  std::vector<std::unique_ptr<EchoExchange>> idle_;
};

void EchoExchange::OnBodyEnd() {
  if (is_grpc_) {
    const Header type{"content-type", "application/grpc"};
    const Header status{"grpc-status", "0"};
    stream_->SendHead(200, {&type, 1}, std::nullopt);
    if (large_) {
      stream_->SendBuffer(large_, {data(), arrived_});
    } else {
      stream_->SendBytes({data(), arrived_});
    }
    stream_->Finish({&status, 1});
    return;
  }
  const Header type{"content-type", "application/octet-stream"};
  constexpr std::string_view kHello = "hello\n";
  const size_t size = arrived_ == 0 ? kHello.size() : arrived_;
  stream_->SendHead(200, {&type, 1}, size);
  if (arrived_ == 0) {
    stream_->SendBytes(std::as_bytes(std::span(kHello)));
  } else if (large_) {
    stream_->SendBuffer(large_, {data(), arrived_});
  } else {
    stream_->SendBytes({data(), arrived_});
  }
  stream_->Finish({});
}

void EchoExchange::OnClosed(bool) {
  large_ = {};
  handler_.GiveBack(this);
}

}  // namespace

int main(int argc, char** argv) {
  serving::net::Limits limits;
  auto server = serving::net::Server::Start(
      argc > 2 ? std::atoi(argv[2]) : 1, limits,
      [](int, Ref<serving::base::Waker>) { return std::make_unique<EchoHandler>(); });
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().message().c_str());
    return 1;
  }
  serving::net::ListenerOptions options;
  options.host = "127.0.0.1";
  options.port = static_cast<uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  const auto listening = server.value()->Listen(options);
  if (!listening.ok()) {
    std::fprintf(stderr, "%s\n", listening.status().message().c_str());
    return 1;
  }
  std::printf("%u\n", listening.value().port);
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server.value()->StopListening();
  server.value()->Stop();
  return 0;
}
