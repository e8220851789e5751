// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/keepalive.h"

#include <algorithm>

namespace serving::net {
namespace {

// Of a peer without calls that has not been permitted to ping: as for TCP's keep-alive
// (RFC 1122 §4.2.3.6), which gRPC takes over.
constexpr base::Nanoseconds kIdlePingInterval = std::chrono::hours(2);

}  // namespace

Keepalive::Keepalive(const KeepaliveOptions& options, base::Instant now, double jitter)
    : options_(options), received_(now) {
  if (options.ping_after.count() > 0) ping_at_ = now + options.ping_after;
  if (options.max_connection_age.count() > 0) {
    const double age = static_cast<double>(options.max_connection_age.count());
    retire_at_ = now + base::Nanoseconds(static_cast<int64_t>(age * (0.9 + 0.2 * jitter)));
  }
}

bool Keepalive::OnPing(base::Instant now, bool has_calls, uint64_t sent) {
  if (sent != sent_at_peer_ping_) {
    sent_at_peer_ping_ = sent;
    peer_pinged_ = base::kNever;
    strikes_ = 0;
  }
  const base::Nanoseconds interval =
      has_calls || options_.pings_without_calls ? options_.min_ping_interval : kIdlePingInterval;
  const bool is_early = peer_pinged_ != base::kNever && now < peer_pinged_ + interval;
  peer_pinged_ = now;
  if (is_early) ++strikes_;
  return options_.max_ping_strikes == 0 || strikes_ <= options_.max_ping_strikes;
}

Keepalive::Action Keepalive::Check(base::Instant now, bool has_calls) {
  if (pinged_ != base::kNever) {
    if (received_ >= pinged_) {  // it was sent after a silence, so these bytes are later
      pinged_ = base::kNever;
    } else if (options_.ping_timeout.count() > 0 && now >= pinged_ + options_.ping_timeout) {
      return Action::kTimedOut;
    }
  }
  if (now >= end_at_) {
    end_at_ = base::kNever;
    return Action::kEnd;
  }
  if (now >= retire_at_) {
    retire_at_ = base::kNever;
    const base::Nanoseconds grace = options_.max_connection_age_grace;
    if (grace.count() > 0) end_at_ = now + grace;
    return Action::kRetire;
  }
  if (now < ping_at_) return Action::kNone;
  // Not moved with every byte that comes: looked at when the time has passed.
  const base::Instant due = received_ + options_.ping_after;
  if (now < due) {
    ping_at_ = due;
    return Action::kNone;
  }
  ping_at_ = now + options_.ping_after;
  if (pinged_ != base::kNever || (!has_calls && !options_.pings_without_calls)) {
    return Action::kNone;
  }
  pinged_ = now;
  return Action::kPing;
}

base::Instant Keepalive::next() const {
  base::Instant next = std::min({ping_at_, retire_at_, end_at_});
  if (pinged_ != base::kNever && options_.ping_timeout.count() > 0) {
    next = std::min(next, pinged_ + options_.ping_timeout);
  }
  return next;
}

}  // namespace serving::net
