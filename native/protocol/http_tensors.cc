// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_tensors.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "protocol/http_parameters.h"
#include "protocol/json_access.h"
#include "protocol/json_input.h"
#include "protocol/json_number.h"
#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {

using base::InvalidArgument;
using base::Status;

namespace {

Status CheckSources(const InputMembers& members) {
  const bool data = members.data.is_present();
  const bool binary = members.binary_data_size.is_present();
  const bool region = members.shared_memory.region.is_present();
  if (data + binary + region == 1) return {};
  std::string set = " But no field is set";
  if (data || binary || region) {
    set = " But set";
    if (data) set += " 'data'";
    if (binary) set += " 'binary_data_size'";
    if (region) set += " 'shared_memory_region'";
  }
  return InvalidArgument(
      "Input must set only one of the following fields: 'data', 'binary_data_size' in "
      "'parameters', 'shared_memory_region' in 'parameters'." +
      set);
}

Status NotWithRegion(std::string_view name) {
  return InvalidArgument(Join({"Output can't set both 'shared_memory_region' and '", name, "'"}));
}

}  // namespace

std::string_view HttpTensors::Text(const JsonValue& value) {
  return JsonText(value, request_.arena);
}

Status HttpTensors::AddInput(const InputMembers& members) {
  RETURN_IF_ERROR(CheckSources(members));
  if (!members.name.is_present()) return Unable("name", Access::kMissing);
  if (!members.name.is_string()) return Unable("name", Access::kString);
  if (!members.data_type.is_present()) return Unable("datatype", Access::kMissing);
  if (!members.data_type.is_string()) return Unable("datatype", Access::kString);
  if (!members.shape.is_present()) return Unable("shape", Access::kMissing);
  if (!members.shape.is_array()) return Unable("shape", Access::kArray);
  if (request_.inputs.size() == kMaxTensors) return TooManyOf("inputs", kMaxTensors);
  core::InputTensor& input = request_.AddInput();
  input.name = Text(members.name);
  input.data_type_name = Text(members.data_type);
  if (members.elements != nullptr) {
    input.shape = members.dims;
  } else {
    RETURN_IF_ERROR(ReadJsonShape(members.shape, input.shape));
  }
  const auto type = tensor::ParseWireName(input.data_type_name);
  if (!type) return InvalidArgument(Join({"invalid datatype for input ", input.name}));
  input.data_type = *type;
  if (members.binary_data_size.is_present()) return TakeBinary(members.binary_data_size, input);
  ASSIGN_OR_RETURN(const RegionRange range, ReadRange(members.shared_memory));
  if (members.shared_memory.region.is_present()) {
    return TakeInputRegion(regions_, range, allocator_, input, request_);
  }
  return TakeData(members, input);
}

// Triton reads all three, whether there is a region or not.
base::Result<RegionRange> HttpTensors::ReadRange(const RegionMembers& members) {
  RegionRange range;
  if (members.region.is_present()) {
    if (!members.region.is_string()) return Unable("shared_memory_region", Access::kString);
    range.name = Text(members.region);
  }
  if (members.offset.is_present()) {
    RETURN_IF_ERROR(TakeJsonUnsigned("shared_memory_offset", members.offset, range.offset));
  }
  if (members.byte_size.is_present()) {
    RETURN_IF_ERROR(
        TakeJsonUnsigned("shared_memory_byte_size", members.byte_size, range.byte_size));
  }
  return range;
}

Status HttpTensors::TakeBinary(const JsonValue& member, core::InputTensor& input) {
  uint64_t size = 0;
  RETURN_IF_ERROR(TakeJsonUnsigned("binary_data_size", member, size));
  if (size > tail_.size()) {
    return InvalidArgument(Join({"unexpected size for input '", input.name, "', expecting ",
                                 std::to_string(size - tail_.size()),
                                 " additional bytes for model '", request_.model_name, "'"}));
  }
  AddPart(input, reinterpret_cast<const std::byte*>(tail_.data()), static_cast<size_t>(size));
  tail_.remove_prefix(static_cast<size_t>(size));
  return {};
}

Status HttpTensors::TakeData(const InputMembers& members, core::InputTensor& input) {
  if (!members.data.is_array()) return Unable("data", Access::kArray);
  if (members.elements != nullptr) {
    AddPart(input, members.elements, members.elements_bytes);
    return {};
  }
  return TakeJsonData(members.data, max_json_bytes_, allocator_, real16_, request_, input);
}

Status HttpTensors::AddOutput(const OutputMembers& members) {
  if (!members.name.is_present()) return Unable("name", Access::kMissing);
  if (!members.name.is_string()) return Unable("name", Access::kString);
  core::WantedOutput output;
  output.name = Text(members.name);
  const bool has_region = members.shared_memory.region.is_present();
  if (members.classification.is_present()) {
    if (has_region) return NotWithRegion("classification");
    const auto top = AsUnsigned(ReadJsonNumber(members.classification.text()));
    if (!top) return Unable("classification", Access::kUnsigned, "set");
    output.classification = static_cast<uint32_t>(std::min<uint64_t>(*top, UINT32_MAX));
  }
  if (members.binary_data.is_present()) {
    RETURN_IF_ERROR(TakeJsonFlag("binary_data", members.binary_data, output.binary));
    if (has_region && output.binary) return NotWithRegion("binary_data");
  }
  ASSIGN_OR_RETURN(const RegionRange range, ReadRange(members.shared_memory));
  if (has_region) RETURN_IF_ERROR(TakeOutputRegion(regions_, range, output, request_));
  if (request_.wanted.size() == kMaxTensors) return TooManyOf("outputs", kMaxTensors);
  request_.wanted.push_back(std::move(output));
  return {};
}

}  // namespace serving::protocol
