// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/waker.h"
#include "net/exchange.h"
#include "net/keepalive.h"
#include "net/tls_context.h"

namespace serving::net {

// Bounds of every connection. All finite.
struct Limits {
  size_t max_header_bytes = 64 * 1024;  // request line and headers, HTTP/2 header list
  size_t max_connections = 16'384;  // over all I/O threads; further ones wait in the accept queue
  uint32_t max_streams_per_connection = 1'024;
  // HTTP/2 streams that end before their answer because the peer reset them or made us do so: so
  // many at once, and so many per second in the long run; one more for each answer. Streams whose
  // client gave them no more time do not count. To cancel is cheap: this ends floods, no client.
  double max_resets = 10'000;
  double resets_per_second = 1'000;
  base::Nanoseconds idle_timeout{0};  // keep-alive connection without a request; 0 = none
  base::Nanoseconds head_timeout{0};  // first byte to end of headers; an HTTP/2 frame's, but DATA
  base::Nanoseconds body_timeout{0};  // whole body
  size_t min_body_bytes_per_second = 0;  // averaged from the body's start, after a grace of 5 s
  base::Nanoseconds write_timeout{0};    // peer takes no byte of an answer
  size_t max_queued_write_bytes = 1
                                  << 20;  // per connection in library buffers, besides lent Buffers
  uint32_t stream_window_bytes = 16 << 20;
  uint32_t connection_window_bytes = 16 << 20;
  // SETTINGS_MAX_FRAME_SIZE announced once a connection brings large bodies; 16 KiB before.
  uint32_t max_frame_bytes = 1 << 20;
  bool keeps_header_names = false;  // HTTP/1: RequestHead::written_names
};

struct ListenerOptions {
  std::string host;
  uint16_t port = 0;     // 0 = any free
  uint16_t service = 0;  // handed to OnRequest in RequestHead
  bool allow_http1 = true;
  bool allow_http2 = true;  // prior knowledge (h2c)
  bool reuse_port = false;
  KeepaliveOptions keepalive;  // of its HTTP/2 connections
  base::Ref<TlsContext> tls;   // null = no TLS
};

struct Listening {
  int id = 0;
  std::string host;
  uint16_t port = 0;
};

// The I/O threads with their epoll loops, connections and listeners.
//
// Threads: Start, Listen, StopListening and Stop on the owner's thread. Thread 0 accepts and hands
// each connection to the thread with the fewest.
class Server {
 public:
  // Called once per I/O thread, on that thread, before its loop starts. `waker` wakes that thread's
  // OnWake.
  using HandlerFactory = std::function<std::unique_ptr<RequestHandler>(
      int thread_index, base::Ref<base::Waker> waker)>;

  virtual ~Server() = default;

  // Makes the threads. Fails with a sentence when the running executable lacks nghttp2. `clock`,
  // for tests: what time limits and Stream::SetTimer are measured with; null is the steady clock.
  // It must outlive the server.
  static base::Result<std::unique_ptr<Server>> Start(int threads, const Limits& limits,
                                                     HandlerFactory factory,
                                                     const base::Clock* clock = nullptr);

  virtual base::Result<Listening> Listen(const ListenerOptions& options) = 0;
  // Closes every listening socket once its accept queue is empty; connections live on. HTTP/1.1
  // answers carry `Connection: close`, HTTP/2 connections get GOAWAY. Returns when done on all
  // threads.
  virtual void StopListening() = 0;
  // Ends every exchange and connection, then the threads. Idempotent.
  virtual void Stop() = 0;

  virtual size_t connections() const = 0;
};

}  // namespace serving::net
