// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What the tests of this room share: a server whose handler does what the path says, and clients
// for both protocols.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/waker.h"
#include "net/nghttp2_abi.h"
#include "net/server.h"
#include "net/tls_testing.h"

namespace serving::net {

// A test that waits longer has failed.
inline constexpr std::chrono::seconds kPatience{20};

// Moves when told, from any thread.
class TestClock final : public base::Clock {
 public:
  base::Instant Now() const override { return base::Instant(base::Nanoseconds(now_.load())); }
  void Advance(base::Nanoseconds by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_{1'000'000'000};
};

// Bytes that can be lent to a stream; counts the living.
class TestBuffer final : public base::Buffer {
 public:
  explicit TestBuffer(std::string text);
  ~TestBuffer() override;
  static int live();

 private:
  std::string text_;
};

// `size` bytes that repeat only after a long while.
std::string Pattern(size_t size);

// The answer to a request, by its path:
//   /hello            `hello`
//   /echo             the body, with its length
//   /echo-chunked     the body, without a length
//   /grpc             the body, then trailers grpc-status 0
//   /refuse-grpc      trailers only
//   /large?n          n bytes of Pattern, lent
//   /stream?n         n pieces of 64 KiB, each when the one before has drained
//   /early            413 at once, without reading the body
//   /hold             nothing until TestServer::Answer
//   /pause            takes no body byte until TestServer::Resume, then echoes
//   /trickle          takes 7 body bytes at a time, then echoes
//   /timer            `rang` after 20 ms
//   /block            stops the whole I/O thread until TestServer::Unblock
//   /short            announces more than it sends
//   /abort?n          n bytes without a length, and an end by Stream::Abort once they have drained;
//                     with n = 0 the end at once, without a head
//   /chat             the head at once, then each piece of the body when it comes; may take for
//   ever anything else     404
class TestServer {
 public:
  explicit TestServer(const Limits& limits = {}, int threads = 1,
                      const base::Clock* clock = nullptr);
  ~TestServer();

  uint16_t Listen(ListenerOptions options = {});
  Server& server() { return *server_; }
  void Stop();

  // Waits until the log has an entry of that text, `times` times. Entries: `request METHOD path`,
  // `end path`, `paused path`, `takes path` (behind a pause), `drained path`,
  // `closed path answered`, `closed path not answered`, `stopped`.
  testing::AssertionResult WaitFor(std::string_view entry, size_t times = 1);
  size_t Count(std::string_view entry);
  // Waits until so many connections are open.
  testing::AssertionResult WaitForConnections(size_t count);
  std::vector<std::string> log();
  // Copies of the last request's head.
  std::vector<std::pair<std::string, std::string>> last_headers();
  std::string last_head();

  // Answers every held exchange, on its thread.
  void Answer();
  void Resume();
  void Unblock();
  // Rings every thread's waker and waits for the end of the turn: after a test's clock was moved.
  void Wake();
  // Largest unsent_bytes that an exchange has seen.
  size_t most_unsent();

 private:
  friend class TestHandler;
  friend class TestExchange;
  class Shared;

  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Server> server_;
};

// A blocking socket to 127.0.0.1 whose waits end.
class Client {
 public:
  // `receive_buffer` > 0 makes the kernel hold little for a reader that does not read.
  explicit Client(uint16_t port, int receive_buffer = 0);
  // Speaks TLS.
  Client(uint16_t port, const TlsPeerOptions& tls, int receive_buffer = 0);
  // Does not, whatever the others do.
  static std::unique_ptr<Client> Plain(uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int fd() const { return fd_; }
  TlsPeer& tls() { return *tls_; }
  void Send(std::string_view bytes);
  // As much as the server takes at once; returns how much.
  size_t TrySend(std::string_view bytes);
  // Waits until the server may take more; false when it will not: the connection is over, or
  // nothing was taken for five seconds.
  bool AwaitRoom();
  // At least one byte; empty at the end of the stream or when reset.
  std::string Receive(size_t most = 65536);
  std::string ReceiveExactly(size_t size);
  std::string ReceiveUntil(std::string_view end);
  // Everything up to the end of the stream.
  std::string ReceiveAll();
  // The server has reset the connection instead of ending it.
  bool was_reset() const { return was_reset_; }
  // True when a byte or the end is there to be read at once.
  bool HasInput();
  void EndSending();
  void Reset();
  void Close();

 private:
  Client(uint16_t port, int receive_buffer, const std::optional<TlsPeerOptions>& tls);

  int fd_ = -1;
  std::unique_ptr<TlsPeer> tls_;  // null = no TLS
  bool was_reset_ = false;
};

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::map<std::string, std::string> trailers;
  std::string body;
  bool is_complete = false;       // HTTP/2: END_STREAM has come
  std::optional<uint32_t> reset;  // HTTP/2: error code of the stream's end
};

// The client's preface and a frame of HTTP/2 as they stand on the wire.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
std::string RawFrame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
// Error code and text of the GOAWAY in what a server sent.
struct Goaway {
  int error = 0;
  std::string text;
};
std::optional<Goaway> GoawayIn(std::string_view bytes);

// One HTTP/1.1 answer from the socket; `to_head`: of a HEAD request.
Response ReadResponse(Client& client, bool to_head = false);

// An HTTP/2 client over nghttp2's client session.
class Http2Client {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  // `window`: SETTINGS_INITIAL_WINDOW_SIZE that the client announces.
  explicit Http2Client(uint16_t port, std::optional<uint32_t> window = std::nullopt,
                       bool updates_windows = true);
  explicit Http2Client(std::unique_ptr<Client> client,
                       std::optional<uint32_t> window = std::nullopt, bool updates_windows = true);
  ~Http2Client();

  // Returns the stream's id. Without `ends` the body stays open: Continue sends more.
  int32_t Request(std::string_view method, std::string_view path, std::string_view body = {},
                  const Fields& more = {}, bool ends = true);
  void Continue(int32_t stream, std::string_view body, bool ends);
  void Reset(int32_t stream, uint32_t error);
  // Opens the windows of the connection and of one stream.
  void Update(int32_t stream, int32_t by);
  // Frames as they are, past the session.
  void SendRaw(std::string_view bytes);
  // Writes what the session has to say and the socket takes; Until writes the rest.
  void Flush();

  // Reads and writes until it holds; fails after kPatience or when the connection ends before.
  testing::AssertionResult Until(const std::function<bool()>& holds);
  // Reads until the server closes.
  testing::AssertionResult UntilClosed();
  // The answer on `stream` when it is complete or reset.
  Response Wait(int32_t stream);
  Response& response(int32_t stream) { return responses_[stream]; }

  bool is_closed() const { return is_closed_; }
  // Error code of the last GOAWAY.
  std::optional<uint32_t> goaway() const { return goaway_; }
  int32_t goaway_last_stream() const { return goaway_last_stream_; }
  size_t received_bytes() const { return received_bytes_; }
  // Body bytes of a stream that the session has not taken yet.
  size_t unsent(int32_t stream) { return bodies_[stream].text.size() - bodies_[stream].sent; }

 private:
  struct Callbacks;
  struct Body {
    std::string text;
    size_t sent = 0;
    bool ends = true;
    bool is_deferred = false;
  };

  void Pump(int wait_ms);

  const nghttp2::Api& api_;
  std::unique_ptr<Client> client_;
  nghttp2::Session* session_ = nullptr;
  std::map<int32_t, Response> responses_;
  std::map<int32_t, Body> bodies_;
  std::string output_;
  std::optional<uint32_t> goaway_;
  int32_t goaway_last_stream_ = 0;
  size_t received_bytes_ = 0;
  bool is_closed_ = false;
};

// Number of this process's open descriptors.
size_t OpenDescriptors();

}  // namespace serving::net
