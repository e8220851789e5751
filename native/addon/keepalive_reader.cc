// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/keepalive_reader.h"

#include <chrono>
#include <cstdint>
#include <limits>

namespace serving::addon {
namespace {

// Also keeps milliseconds within what nanoseconds can count.
int64_t Bounded(ObjectReader& reader, const char* key) {
  const int64_t value = reader.Integer(key);
  if (value < 0 || value > std::numeric_limits<int32_t>::max()) {
    reader.Fail(key, "0 to 2147483647");
    return 0;
  }
  return value;
}

base::Nanoseconds Time(ObjectReader& reader, const char* key) {
  return std::chrono::milliseconds(Bounded(reader, key));
}

uint32_t Number(ObjectReader& reader, const char* key) {
  return static_cast<uint32_t>(Bounded(reader, key));
}

}  // namespace

net::KeepaliveOptions ReadKeepalive(ObjectReader& reader) {
  net::KeepaliveOptions options;
  options.ping_after = Time(reader, "pingAfterMs");
  options.ping_timeout = Time(reader, "pingTimeoutMs");
  options.pings_without_calls = reader.Bool("pingsWithoutCalls");
  options.min_ping_interval = Time(reader, "minPingIntervalMs");
  options.max_ping_strikes = Number(reader, "maxPingStrikes");
  options.max_connection_age = Time(reader, "maxConnectionAgeMs");
  options.max_connection_age_grace = Time(reader, "maxConnectionAgeGraceMs");
  return options;
}

}  // namespace serving::addon
