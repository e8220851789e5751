// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <span>

#include "base/clock.h"

namespace serving::net {

// What is spoken on one connection: takes bytes from the socket, fills the connection's output
// queue, owns the exchanges. Http1Session and Http2Session.
//
// Threads: the connection's I/O thread. None of these calls may destroy the session; it asks for
// its end through Connection::CloseAfterWrite.
class Session {
 public:
  virtual ~Session() = default;

  // Bytes from the socket. All are taken; what cannot be used yet is kept inside, within bounds.
  virtual void Receive(std::span<std::byte> data) = 0;
  // Where a large body continues, so that the socket is read straight into it; empty when there is
  // no such body.
  virtual std::span<std::byte> DirectSpace() { return {}; }
  virtual void DirectArrived(size_t n) { (void)n; }
  // Bytes of a large body that flows well and that the peer still owes: a wake for each few of them
  // is a waste. 0 = wake for any byte.
  virtual uint64_t BytesOwed() const { return 0; }
  // More bytes from the socket are of use now.
  virtual bool wants_read() const = 0;
  // Bytes that were kept, or a body that was paused, can go on. Called in the read part of a turn
  // after Connection::ScheduleRead.
  virtual void Continue() = 0;
  // Puts what is ready into the connection's output queue, up to about `max_bytes` in it.
  virtual void Fill(size_t max_bytes) = 0;
  // The output queue got shorter.
  virtual void OnWritten() = 0;
  // Looks at every time limit; called several times within the shortest of them.
  virtual void CheckDeadlines(base::Instant now) = 0;
  // The server stops: no new requests after those that have come.
  virtual void OnStopListening() = 0;
  // The connection is gone: ends every exchange as not answered.
  virtual void Abort() = 0;
};

}  // namespace serving::net
