// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "core/client_memory.h"

namespace serving::shm {

// As a client asks for it.
struct SystemRegion {
  std::string name;
  std::string key;         // of shm_open, with or without the slash in front
  uint64_t offset = 0;     // in the shared memory object; any
  uint64_t byte_size = 0;  // from there; exactly that many may be used
};

// Maps the region, for reading and writing. The mapping lives as long as the reference or a part of
// it (SliceOf). Triton's words where it has them: Internal for a key that names no object of shared
// memory, InvalidArgument for a reserved key or a range the object does not have. A key cannot
// leave the folder of shared memory, follow a link, or name anything but a regular file.
base::Result<core::ClientMemoryRef> MapSystemRegion(const SystemRegion& region);

// `byte_size` bytes of `whole` from `offset`; the range must lie in it.
core::ClientMemoryRef SliceOf(const core::ClientMemoryRef& whole, size_t offset, size_t byte_size);

}  // namespace serving::shm
