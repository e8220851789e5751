// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mpsc_queue.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/waker.h"
#include "net/nghttp2_abi.h"
#include "net/object_pool.h"
#include "net/output_queue.h"
#include "net/server.h"
#include "net/timer_wheel.h"
#include "net/tls_context.h"

namespace serving::net {

class Connection;
class Http1Stream;
class Http2Stream;

// What epoll reports to.
class Pollable {
 public:
  virtual void OnEvents(uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

// Counters that threads share.
struct ConnectionCounts {
  std::atomic<size_t> open{0};
};

// A connected socket on its way to the thread that will own it.
struct AcceptedSocket {
  int fd = -1;
  uint16_t service = 0;
  bool allow_http1 = true;
  bool allow_http2 = true;
  std::shared_ptr<const KeepaliveOptions> keepalive;  // never null
  std::string remote_address;
  base::Ref<TlsContext> tls;  // null = the socket's bytes as they are
};

// One epoll loop and everything that lives on it.
//
// A turn: wait; read and parse every readable connection; OnWake if the waker rang; timers;
// OnTurnEnd; one write per connection that has something to send.
//
// Threads: Start, Post and Join on any; the rest on the loop's own thread.
// Owns: its handler, connections, chunks and streams.
class IoThread {
 public:
  IoThread(int index, const Limits& limits, const nghttp2::Api& http2, const base::Clock& clock,
           ConnectionCounts& counts);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  base::Status Start(const Server::HandlerFactory& factory);
  // Runs `task` on the loop's thread, in order. After Quit tasks are dropped.
  void Post(std::function<void()> task);
  // Ends every exchange and connection, then the loop.
  void Quit();
  void Join() { thread_.Join(); }
  size_t connections() const { return connection_count_.load(std::memory_order_relaxed); }
  // One more is on its way here; Adopt follows.
  void CountConnection() { connection_count_.fetch_add(1, std::memory_order_relaxed); }

  // For what lives on the loop.
  const Limits& limits() const { return limits_; }
  const nghttp2::Api& http2() const { return http2_; }
  RequestHandler& handler() { return *handler_; }
  base::Instant now() const { return now_; }
  TimerWheel& timers() { return timers_; }
  ChunkPool& chunks() { return chunks_; }
  std::span<std::byte> read_buffer() { return {read_buffer_.get(), kReadBufferBytes}; }
  // Reused so that no request or answer allocates for them. Whoever takes one is done with it
  // before it calls out.
  std::vector<Header>& header_scratch() { return header_scratch_; }
  std::string& text_scratch() { return text_scratch_; }
  std::vector<nghttp2::Field>& field_scratch() { return field_scratch_; }
  ObjectPool<Http1Stream>& http1_streams() { return *http1_streams_; }
  ObjectPool<Http2Stream>& http2_streams() { return *http2_streams_; }
  bool is_draining() const { return is_draining_; }
  // Body bytes that connections keep for exchanges that paused.
  size_t held_bytes() const { return held_bytes_; }
  void CountHeld(ptrdiff_t change) { held_bytes_ += static_cast<size_t>(change); }
  // From 0 up to 1: to spread what would otherwise happen to many connections at once.
  double Random() { return std::uniform_real_distribution<double>()(random_); }
  // `Sun, 06 Nov 1994 08:49:37 GMT`, made once a second.
  std::string_view http_date();

  bool Watch(int fd, Pollable& pollable, uint32_t events);
  void Unwatch(int fd);
  void Adopt(AcceptedSocket socket);
  // At the next turn, which then does not wait.
  void ScheduleRead(Connection& connection) { to_read_.push_back(&connection); }
  // At the end of this turn.
  void ScheduleFlush(Connection& connection) { to_flush_.push_back(&connection); }
  // The connection's socket is closed; deletes it when the turn is over.
  void Bury(Connection& connection);
  void StartDraining();
  // Called on this thread when a connection closed.
  std::function<void()> on_connection_closed;

 private:
  static constexpr size_t kReadBufferBytes = 64 * 1024;
  static constexpr int kMaxEvents = 128;

  struct Task {
    Task* next = nullptr;
    std::function<void()> run;
  };
  struct WakerEvents final : Pollable {
    void OnEvents(uint32_t) override { rang = true; }
    bool rang = false;
  };

  void Run();
  void Turn();
  int WaitMilliseconds();
  void RunTasks();
  void FlushAll();
  void CloseAll();

  const int index_;
  const Limits& limits_;
  const nghttp2::Api& http2_;
  ConnectionCounts& counts_;
  const base::Ref<base::EventWaker> waker_;
  const base::Clock& clock_;
  base::Instant now_;
  int epoll_fd_ = -1;
  WakerEvents waker_events_;
  base::MpscQueue<Task> tasks_;
  TimerWheel timers_;
  ChunkPool chunks_;
  std::unique_ptr<std::byte[]> read_buffer_;
  std::vector<Header> header_scratch_;
  std::string text_scratch_;
  std::vector<nghttp2::Field> field_scratch_;
  std::unique_ptr<ObjectPool<Http1Stream>> http1_streams_;
  std::unique_ptr<ObjectPool<Http2Stream>> http2_streams_;
  std::unique_ptr<RequestHandler> handler_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> buried_;
  std::vector<Connection*> to_read_;
  std::vector<Connection*> reading_;
  std::vector<Connection*> to_flush_;
  std::vector<Connection*> flushing_;
  std::atomic<size_t> connection_count_{0};
  std::minstd_rand random_{std::random_device()()};
  size_t held_bytes_ = 0;
  int64_t date_second_ = -1;
  std::array<char, 32> date_{};
  bool is_draining_ = false;
  bool is_quitting_ = false;
  base::Thread thread_;
};

}  // namespace serving::net
