// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "shm/region_registry.h"

#include <utility>

namespace serving::shm {

using base::InvalidArgument;

RegionRegistry::RegionRegistry(std::unique_ptr<CudaOpener> cuda) : cuda_(std::move(cuda)) {}

base::Status RegionRegistry::CheckRoom(const std::string& name) const {
  if (name.size() > kMaxNameBytes) {
    return InvalidArgument("the name of a shared memory region may have at most " +
                           std::to_string(kMaxNameBytes) + " bytes, got " +
                           std::to_string(name.size()));
  }
  if (regions_.contains(name)) {
    return {base::StatusCode::kAlreadyExists,
            "shared memory region '" + name + "' already in manager"};
  }
  if (regions_.size() < kMaxRegions) return {};
  return base::Unavailable("failed to register shared memory region '" + name + "': there are " +
                           std::to_string(kMaxRegions) + " regions, unregister one first");
}

// Opened under the lock: two calls with one name must not both map, and the calls that wait for it
// come from one thread, that of the control plane.
base::Status RegionRegistry::Add(RegionInfo info,
                                 const std::function<base::Result<core::ClientMemoryRef>()>& open) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckRoom(info.name));
  ASSIGN_OR_RETURN(core::ClientMemoryRef memory, open());
  std::string name = info.name;
  regions_.emplace(std::move(name), Region{std::move(info), std::move(memory)});
  return {};
}

base::Status RegionRegistry::Register(const SystemRegion& region) {
  return Add({.kind = RegionKind::kSystem,
              .name = region.name,
              .key = region.key,
              .offset = region.offset,
              .byte_size = region.byte_size},
             [&] { return MapSystemRegion(region); });
}

base::Status RegionRegistry::Register(const CudaRegion& region) {
  return Add({.kind = RegionKind::kCuda,
              .name = region.name,
              .key = {},
              .device_id = region.device_id,
              .byte_size = region.byte_size},
             [&]() -> base::Result<core::ClientMemoryRef> {
               if (!cuda_) {
                 return InvalidArgument("failed to register CUDA shared memory region: '" +
                                        region.name + "', GPUs not supported");
               }
               if (region.handle.size() == CudaRegion::kHandleBytes) return cuda_->Open(region);
               return InvalidArgument("failed to register shared memory region: invalid args");
             });
}

void RegionRegistry::Unregister(RegionKind kind, std::string_view name) {
  std::vector<core::ClientMemoryRef> dropped;  // unmapped without the lock
  const std::lock_guard lock(mutex_);
  const auto drop = [&](auto at) {
    dropped.push_back(std::move(at->second.memory));
    return regions_.erase(at);
  };
  if (!name.empty()) {
    const auto found = regions_.find(name);
    if (found != regions_.end() && found->second.info.kind == kind) drop(found);
    return;
  }
  for (auto at = regions_.begin(); at != regions_.end();) {
    at = at->second.info.kind == kind ? drop(at) : std::next(at);
  }
}

std::vector<RegionInfo> RegionRegistry::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<RegionInfo> rows;
  rows.reserve(regions_.size());
  for (const auto& [name, region] : regions_) rows.push_back(region.info);
  return rows;
}

base::Result<core::ClientMemoryRef> RegionRegistry::Find(std::string_view name, uint64_t offset,
                                                         uint64_t byte_size) {
  const auto of_region = [&] { return " for shared memory region: '" + std::string(name) + "'"; };
  core::ClientMemoryRef memory;
  {
    const std::lock_guard lock(mutex_);
    const auto found = regions_.find(name);
    if (found != regions_.end()) memory = found->second.memory;
  }
  if (!memory) {
    return base::NotFound("Unable to find shared memory region: '" + std::string(name) + "'");
  }
  if (offset >= memory->capacity()) return InvalidArgument("Invalid offset" + of_region());
  if (byte_size > UINT64_MAX - offset) {
    return InvalidArgument("Integer overflow detected: byte_size (" + std::to_string(byte_size) +
                           ") + offset (" + std::to_string(offset) + ") exceeds maximum value (" +
                           std::to_string(UINT64_MAX) + ") for region '" + std::string(name) + "'");
  }
  if (offset + byte_size > memory->capacity()) {
    return InvalidArgument("Invalid offset + byte size" + of_region());
  }
  RETURN_IF_ERROR(memory->Check());
  return SliceOf(memory, offset, byte_size);
}

}  // namespace serving::shm
