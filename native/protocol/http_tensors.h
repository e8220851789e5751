// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/client_memory.h"
#include "core/infer_request.h"
#include "protocol/json_cursor.h"
#include "protocol/region_tensor.h"
#include "protocol/response_writer.h"
#include "tensor/shape.h"

namespace serving::protocol {

// Members of `parameters` that lay a tensor into shared memory, as text; absent ones are not
// present.
struct RegionMembers {
  JsonValue region;
  JsonValue offset;
  JsonValue byte_size;

  // Where a parameter of this name goes; null when it has nothing to do with shared memory.
  JsonValue* Find(std::string_view name) {
    if (name == "shared_memory_region") return &region;
    if (name == "shared_memory_offset") return &offset;
    if (name == "shared_memory_byte_size") return &byte_size;
    return nullptr;
  }
};

// One element of `inputs`, as text.
struct InputMembers {
  JsonValue name;
  JsonValue data_type;
  JsonValue shape;
  JsonValue data;
  bool has_parameters = false;
  JsonValue binary_data_size;
  RegionMembers shared_memory;
  // What the fast reader found: `data` as the bytes of a tensor with these dimensions; null when it
  // did not read it.
  const std::byte* elements = nullptr;
  size_t elements_bytes = 0;
  tensor::Shape dims;
};

// One element of `outputs`, as text.
struct OutputMembers {
  JsonValue name;
  bool has_parameters = false;
  JsonValue binary_data;
  JsonValue classification;
  RegionMembers shared_memory;
};

// Makes the tensors of a request from the members that its JSON names, with Triton's errors in
// Triton's order. Borrows all that it is made with.
class HttpTensors {
 public:
  // tail: binary data behind the JSON, in the order of the inputs that take of it.
  HttpTensors(std::string_view tail, size_t max_json_bytes, base::BufferAllocator& allocator,
              Real16Json real16, core::InferRequest& request, core::RegionSource* regions)
      : tail_(tail),
        max_json_bytes_(max_json_bytes),
        allocator_(allocator),
        real16_(real16),
        request_(request),
        regions_(regions) {}

  base::Status AddInput(const InputMembers& members);
  base::Status AddOutput(const OutputMembers& members);

  // Binary data is left that no input has taken.
  bool has_tail() const { return !tail_.empty(); }

 private:
  std::string_view Text(const JsonValue& value);
  base::Result<RegionRange> ReadRange(const RegionMembers& members);
  base::Status TakeBinary(const JsonValue& member, core::InputTensor& input);
  base::Status TakeData(const InputMembers& members, core::InputTensor& input);

  std::string_view tail_;
  const size_t max_json_bytes_;
  base::BufferAllocator& allocator_;
  const Real16Json real16_;
  core::InferRequest& request_;
  core::RegionSource* const regions_;
};

}  // namespace serving::protocol
