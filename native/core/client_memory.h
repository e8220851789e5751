// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/ref.h"
#include "base/status.h"

namespace serving::core {

// Bytes that a client shares with the server: part of a registered region. The client may change
// them while anybody looks, so what decides where memory is read or written (lengths of strings,
// indices) is copied first; and it may take them away, after which they read as zeros.
class ClientMemory : public base::Buffer {
 public:
  // An error once bytes of the region were taken away. To be asked after the last look at them and
  // before the answer.
  virtual base::Status Check() const = 0;

  // True when a write to one may be seen in the other, also through another mapping of the file.
  bool Overlaps(const ClientMemory& other) const {
    return origin_.device == other.origin_.device && origin_.inode == other.origin_.inode &&
           origin_.offset < other.origin_.offset + other.capacity() &&
           other.origin_.offset < origin_.offset + capacity();
  }

  // Which bytes of which file these are.
  struct Origin {
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t offset = 0;
  };
  const Origin& origin() const { return origin_; }

 protected:
  ClientMemory(std::span<std::byte> bytes, base::MemoryKind kind, int32_t device,
               const Origin& origin)
      : Buffer(bytes.data(), bytes.size(), kind, device), origin_(origin) {
    is_client_memory_ = true;
  }

 private:
  const Origin origin_;
};

using ClientMemoryRef = base::Ref<ClientMemory>;

// The regions that clients have registered.
class RegionSource {
 public:
  virtual ~RegionSource() = default;
  // `byte_size` bytes of the region, from `offset`; they stay mapped as long as the reference, also
  // when the region is unregistered. Any thread. NotFound, InvalidArgument.
  virtual base::Result<ClientMemoryRef> Find(std::string_view name, uint64_t offset,
                                             uint64_t byte_size) = 0;
};

}  // namespace serving::core
