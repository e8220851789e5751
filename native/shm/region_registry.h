// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "core/client_memory.h"
#include "shm/system_region.h"

namespace serving::shm {

enum class RegionKind : uint8_t { kSystem, kCuda };

struct CudaRegion {
  static constexpr size_t kHandleBytes = 64;  // cudaIpcMemHandle_t

  std::string name;
  std::string handle;
  int64_t device_id = 0;
  uint64_t byte_size = 0;
};

// Opens memory of a GPU that another process exported; the handle has its right size. Any thread.
class CudaOpener {
 public:
  virtual ~CudaOpener() = default;
  virtual base::Result<core::ClientMemoryRef> Open(const CudaRegion& region) = 0;
};

// What a status call shows of a region.
struct RegionInfo {
  RegionKind kind = RegionKind::kSystem;
  std::string name;
  std::string key;  // system
  uint64_t offset = 0;
  int64_t device_id = 0;  // cuda
  uint64_t byte_size = 0;
};

// The regions of all clients, by name. Both kinds share the names. Errors are in Triton's words.
//
// Threads: any. A region that is unregistered stays mapped until the last request that uses it has
// ended.
class RegionRegistry final : public core::RegionSource {
 public:
  static constexpr size_t kMaxRegions = 1024;
  static constexpr size_t kMaxNameBytes = 1024;

  // `cuda` null: this machine has no GPU that regions could be on.
  explicit RegionRegistry(std::unique_ptr<CudaOpener> cuda = nullptr);

  base::Status Register(const SystemRegion& region);
  base::Status Register(const CudaRegion& region);
  // No name: all of the kind. A name that is not there is no error, nor one of the other kind.
  void Unregister(RegionKind kind, std::string_view name);
  // By name.
  std::vector<RegionInfo> List() const;

  base::Result<core::ClientMemoryRef> Find(std::string_view name, uint64_t offset,
                                           uint64_t byte_size) override;

 private:
  struct Region {
    RegionInfo info;
    core::ClientMemoryRef memory;
  };

  base::Status CheckRoom(const std::string& name) const;
  base::Status Add(RegionInfo info,
                   const std::function<base::Result<core::ClientMemoryRef>()>& open);

  const std::unique_ptr<CudaOpener> cuda_;
  mutable std::mutex mutex_;
  std::map<std::string, Region, std::less<>> regions_;  // guarded by mutex_
};

}  // namespace serving::shm
