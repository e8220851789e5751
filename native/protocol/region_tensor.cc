// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/region_tensor.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::Status;
using core::ClientMemory;

base::Result<core::ClientMemoryRef> Find(core::RegionSource* regions, const RegionRange& range) {
  if (regions == nullptr) return SharedMemoryDisabled();
  ASSIGN_OR_RETURN(core::ClientMemoryRef memory,
                   regions->Find(range.name, range.offset, range.byte_size));
  if (memory->kind() == base::MemoryKind::kDevice) {
    return base::Unimplemented(Join({"shared memory region '", range.name,
                                     "' is in device memory, which no backend here can use"}));
  }
  return memory;
}

const ClientMemory* PlaceOf(std::span<const core::WantedOutput> wanted, uint32_t slot) {
  for (const core::WantedOutput& output : wanted) {
    if (output.slot == slot) return output.place.get();
  }
  return nullptr;
}

// The client's memory that an output looks at; null for all other memory.
const ClientMemory* SourceOf(const core::OutputTensor& output) {
  if (!output.owner || !output.owner->is_client_memory()) return nullptr;
  return static_cast<const ClientMemory*>(output.owner.get());
}

Status CopyOut(base::BufferAllocator& allocator, core::OutputTensor& output) {
  base::BufferRef copy = allocator.Allocate(output.view.size);
  if (!copy) return OutOfMemory(output.view.size);
  if (output.view.size > 0) std::memcpy(copy->data(), output.view.data, output.view.size);
  output.view.data = copy->data();
  output.owner = std::move(copy);
  return {};
}

// True when another output will be written over what this one still has to be read from.
bool IsOverwritten(std::span<const core::WantedOutput> wanted, const core::OutputTensor& output) {
  const ClientMemory* source = SourceOf(output);
  return std::ranges::any_of(wanted, [&](const core::WantedOutput& other) {
    return other.slot != output.slot && other.place && other.place->Overlaps(*source);
  });
}

Status Place(const core::ModelPlan& plan, const ClientMemory& place, core::OutputTensor& output) {
  if (output.view.size > place.capacity()) {
    return base::Internal(Join({"shared memory size specified with the request for output '",
                                plan.outputs[output.slot].tensor.name, "' (",
                                std::to_string(place.capacity()), " bytes) should be at least ",
                                std::to_string(output.view.size), " bytes to hold the results"}));
  }
  // A backend may have written there right away; a source may overlap its place.
  if (output.view.size > 0 && output.view.data != place.data()) {
    std::memmove(place.data(), output.view.data, output.view.size);
  }
  output.view = {};
  output.owner.Reset();
  output.is_placed = true;
  return {};
}

}  // namespace

Status TakeInputRegion(core::RegionSource* regions, const RegionRange& range,
                       base::BufferAllocator& allocator, core::InputTensor& input,
                       core::InferRequest& request) {
  ASSIGN_OR_RETURN(core::ClientMemoryRef memory, Find(regions, range));
  if (input.data_type == tensor::DataType::kBytes) {
    base::BufferRef copy = allocator.Allocate(memory->capacity());
    if (!copy) return OutOfMemory(memory->capacity());
    std::memcpy(copy->data(), memory->data(), memory->capacity());
    AddPart(input, copy->data(), memory->capacity());
    request.kept.push_back(std::move(copy));
  } else {
    AddPart(input, memory->data(), memory->capacity());
  }
  request.client_memory.push_back(std::move(memory));
  return {};
}

Status TakeOutputRegion(core::RegionSource* regions, const RegionRange& range,
                        core::WantedOutput& output, core::InferRequest& request) {
  ASSIGN_OR_RETURN(output.place, Find(regions, range));
  request.client_memory.push_back(output.place);
  return {};
}

Status PlaceOutputs(const core::ModelPlan& plan, std::span<const core::WantedOutput> wanted,
                    std::span<const core::ClientMemoryRef> client_memory,
                    base::BufferAllocator& allocator, core::InferResponse& response) {
  for (core::OutputTensor& output : response.outputs) {
    if (SourceOf(output) == nullptr) continue;
    const bool stays = PlaceOf(wanted, output.slot) != nullptr && !IsOverwritten(wanted, output);
    if (!stays) RETURN_IF_ERROR(CopyOut(allocator, output));
  }
  for (core::OutputTensor& output : response.outputs) {
    const ClientMemory* place = PlaceOf(wanted, output.slot);
    if (place != nullptr) RETURN_IF_ERROR(Place(plan, *place, output));
  }
  for (const core::ClientMemoryRef& memory : client_memory) RETURN_IF_ERROR(memory->Check());
  return {};
}

}  // namespace serving::protocol
