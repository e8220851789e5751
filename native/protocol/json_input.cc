// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_input.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "protocol/json_access.h"
#include "protocol/json_tensor.h"
#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::Status;
using tensor::DataType;

Status TakeStrings(const JsonValue& data, base::BufferAllocator& allocator,
                   core::InferRequest& request, core::InputTensor& input) {
  base::BufferRef buffer = allocator.Allocate(JsonBytesCapacity(data));
  if (!buffer) return OutOfMemory(JsonBytesCapacity(data));
  ASSIGN_OR_RETURN(const size_t size, ReadJsonBytes(data, buffer->data()));
  AddPart(input, buffer->data(), size);
  request.kept.push_back(std::move(buffer));
  return {};
}

Status TakeNumbers(const JsonValue& data, size_t max_json_bytes, base::BufferAllocator& allocator,
                   core::InferRequest& request, core::InputTensor& input) {
  // A shape that the text cannot fill: read what is there for the error that comes first.
  const size_t room = data.text().size() / 2;
  const size_t count = PossibleCount(input.shape, data.text().size()).value_or(room + 1);
  const size_t size = std::min(count, room) * tensor::ByteSize(input.data_type);
  if (size > max_json_bytes) return JsonTooLarge(size, max_json_bytes);
  base::BufferRef buffer = allocator.Allocate(size);
  if (!buffer) return OutOfMemory(size);
  RETURN_IF_ERROR(ReadJsonTensor(data, input.data_type, count, buffer->data()));
  AddPart(input, buffer->data(), size);
  request.kept.push_back(std::move(buffer));
  return {};
}

}  // namespace

Status TakeJsonData(const JsonValue& data, size_t max_json_bytes, base::BufferAllocator& allocator,
                    Real16Json real16, core::InferRequest& request, core::InputTensor& input) {
  if (input.data_type == DataType::kBytes) return TakeStrings(data, allocator, request, input);
  // Nothing to read. No model takes a tensor without dimensions: the validator says so.
  if (input.shape.rank() == 0 || input.shape.ElementCount() == 0) return {};
  if (tensor::IsReal16(input.data_type) && real16 == Real16Json::kRefused) {
    return base::InvalidArgument(Join({"receiving ", tensor::WireName(input.data_type),
                                       " data via JSON is not supported. Please use the binary "
                                       "data format for input ",
                                       input.name}));
  }
  return TakeNumbers(data, max_json_bytes, allocator, request, input);
}

}  // namespace serving::protocol
