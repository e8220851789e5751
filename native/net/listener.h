// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <netdb.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "net/io_thread.h"
#include "net/server.h"

namespace serving::net {

// One listening socket. It rests while the process is out of descriptors or the server has all the
// connections that it may have; the kernel keeps the callers waiting.
//
// Threads: Open on any, before the rest; then the I/O thread it is started on.
class Listener final : public Pollable, private Timer {
 public:
  // Takes over a socket that was accepted.
  using Hand = std::function<void(AcceptedSocket)>;

  Listener(const ListenerOptions& options, const Limits& limits, ConnectionCounts& counts,
           Hand hand);
  ~Listener();

  // Binds and listens; returns the port.
  base::Result<uint16_t> Open();
  const ListenerOptions& options() const { return options_; }

  base::Status Start(IoThread& thread);
  void OnEvents(uint32_t events) override;
  // A connection has gone: there may be room again.
  void OnRoom();
  // Accepts what waits in the queue, then closes the socket.
  void Finish();

 private:
  enum class Accepted : uint8_t { kOne, kNone, kNoRoom };

  base::Status Bind(const addrinfo& address);
  uint16_t BoundPort() const;
  void OnExpire() override { OnRoom(); }
  Accepted AcceptOne();
  void Rest(base::Nanoseconds time);

  const ListenerOptions options_;
  const Limits& limits_;
  ConnectionCounts& counts_;
  const Hand hand_;
  const std::shared_ptr<const KeepaliveOptions> keepalive_;  // connections outlive the listener
  IoThread* thread_ = nullptr;
  int fd_ = -1;
  bool is_watched_ = false;
  bool has_said_why_ = false;
};

}  // namespace serving::net
