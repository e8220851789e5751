// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstring>
#include <string_view>

#include "base/check.h"
#include "core/client_memory.h"
#include "testing/buffers.h"

namespace serving::testing {

// Part of a "region" that a test's client shares: ordinary memory, from `offset` of `file` on.
class FakeClientMemory final : public core::ClientMemory {
 public:
  FakeClientMemory(base::BufferRef whole, uint64_t file, size_t offset, size_t size)
      : ClientMemory(whole->bytes().subspan(offset, size), base::MemoryKind::kHost, 0,
                     {1, file, offset}),
        whole_(std::move(whole)) {}
  base::Status Check() const override { return {}; }

 private:
  const base::BufferRef whole_;
};

inline core::ClientMemoryRef Share(const base::BufferRef& whole, uint64_t file, size_t offset,
                                   size_t size) {
  return base::MakeRef<FakeClientMemory>(whole, file, offset, size);
}

}  // namespace serving::testing
