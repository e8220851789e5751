// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace serving::net {

// What is known of a connection's streams that are over: whether the peer may still send on them,
// for the library forgets them at once.
//
// Pure; of fixed size.
class Http2ClosedStreams {
 public:
  enum class Past : uint8_t {
    kEndedByPeer,    // by END_STREAM or RST_STREAM: whatever follows is an error
    kEndedByServer,  // what the peer sent before it heard of that may still come
    kNeverOpened,    // passed over by a higher stream, or ended by the peer long ago
  };

  void EndedByPeer(int32_t stream_id) { peers_[next_peers_++ % peers_.size()] = stream_id; }
  void EndedByServer(int32_t stream_id) {
    int32_t& place = ours_[next_ours_++ % ours_.size()];
    forgotten_ = std::max(forgotten_, place);
    place = stream_id;
  }
  // Of a stream that is not open and not higher than the highest that was opened.
  Past Of(int32_t stream_id) const {
    if (stream_id <= forgotten_ || Has(ours_, stream_id)) return Past::kEndedByServer;
    return Has(peers_, stream_id) ? Past::kEndedByPeer : Past::kNeverOpened;
  }

 private:
  template <size_t size>
  static bool Has(const std::array<int32_t, size>& ids, int32_t stream_id) {
    return std::find(ids.begin(), ids.end(), stream_id) != ids.end();
  }

  std::array<int32_t, 16> peers_{};
  std::array<int32_t, 64> ours_{};
  size_t next_peers_ = 0;
  size_t next_ours_ = 0;
  int32_t forgotten_ = 0;  // no higher stream has fallen out of `ours_`
};

}  // namespace serving::net
