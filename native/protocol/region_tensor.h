// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/client_memory.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "core/model_plan.h"

namespace serving::protocol {

// Where a tensor lies in the regions that clients have registered, as a request says.
struct RegionRange {
  std::string_view name;
  uint64_t offset = 0;
  uint64_t byte_size = 0;
};

// Makes the range the bytes of `input`, whose data type is set. They are not copied, except BYTES:
// the lengths between their elements must not change once they were checked. `regions` null: shared
// memory of clients is switched off.
base::Status TakeInputRegion(core::RegionSource* regions, const RegionRange& range,
                             base::BufferAllocator& allocator, core::InputTensor& input,
                             core::InferRequest& request);

// Makes the range the place of an output.
base::Status TakeOutputRegion(core::RegionSource* regions, const RegionRange& range,
                              core::WantedOutput& output, core::InferRequest& request);

// Puts the outputs of a response where the client wants them and copies those that still look at
// memory of a client, so that nothing of the answer depends on it any more. An error if a place is
// too small, or if `client_memory` (all that the request used) was taken away.
base::Status PlaceOutputs(const core::ModelPlan& plan, std::span<const core::WantedOutput> wanted,
                          std::span<const core::ClientMemoryRef> client_memory,
                          base::BufferAllocator& allocator, core::InferResponse& response);

}  // namespace serving::protocol
