// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <string>
#include <string_view>

#include "base/status.h"
#include "shm/region_registry.h"

namespace serving::addon {

// The verbs for shared memory of clients (src/addon/types.ts). `registry` null: it is switched off.
// JavaScript thread.

base::Status RegisterSystemRegion(shm::RegionRegistry* registry, Napi::Value region);
base::Status RegisterCudaRegion(shm::RegionRegistry* registry, Napi::Value region);
base::Status UnregisterRegions(shm::RegionRegistry* registry, std::string_view kind,
                               std::string_view name);
Napi::Value ListRegions(Napi::Env env, const shm::RegionRegistry* registry);
base::Result<Napi::Value> OpenRegion(Napi::Env env, shm::RegionRegistry* registry,
                                     std::string_view name, Napi::Value offset,
                                     Napi::Value byte_size);

}  // namespace serving::addon
