// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/clock.h"

namespace serving::net {

// How long an HTTP/2 connection lives and what is asked of its peer, with the meaning of gRPC's
// channel arguments. A time of 0 means never, a number of 0 any number.
struct KeepaliveOptions {
  base::Nanoseconds ping_after{0};          // nothing came for so long: a PING is sent
  base::Nanoseconds ping_timeout{0};        // nothing comes after it for so long: closed
  bool pings_without_calls = false;         // both ways: ours are sent, the peer's are allowed
  base::Nanoseconds min_ping_interval{0};   // the peer's, with nothing of ours between
  uint32_t max_ping_strikes = 0;            // more PINGs that come too early: GOAWAY
  base::Nanoseconds max_connection_age{0};  // 10 % more or less, then GOAWAY
  base::Nanoseconds max_connection_age_grace{0};  // after that, for the streams still open

  bool operator==(const KeepaliveOptions&) const = default;
};

// Decides when a connection is asked for a sign of life and when it has lived long enough.
//
// Pure: the caller says what time it is, what came and what was sent. `sent` is how many HEADERS,
// DATA and WINDOW_UPDATE frames the server has sent so far: what forgives the peer's PINGs.
class Keepalive {
 public:
  enum class Action : uint8_t { kNone, kPing, kTimedOut, kRetire, kEnd };

  // `jitter` from 0 to 1 spreads the maximum age from 90 % to 110 %.
  Keepalive(const KeepaliveOptions& options, base::Instant now, double jitter);

  // Bytes came.
  void OnReceived(base::Instant now) { received_ = now; }
  // A PING of the peer came. False when it was one too many.
  bool OnPing(base::Instant now, bool has_calls, uint64_t sent);
  // What is due, one thing at a time: kPing is to be sent; kRetire: no new streams; kEnd: its grace
  // is over; kTimedOut: the peer is gone.
  Action Check(base::Instant now, bool has_calls);
  // When Check is wanted next; kNever when nothing can come.
  base::Instant next() const;

 private:
  const KeepaliveOptions options_;
  base::Instant received_;
  base::Instant ping_at_ = base::kNever;    // when to look whether a PING is due
  base::Instant pinged_ = base::kNever;     // a PING is unanswered since
  base::Instant retire_at_ = base::kNever;  // kNever once retired
  base::Instant end_at_ = base::kNever;
  base::Instant peer_pinged_ = base::kNever;
  uint64_t sent_at_peer_ping_ = 0;
  uint32_t strikes_ = 0;
};

}  // namespace serving::net
