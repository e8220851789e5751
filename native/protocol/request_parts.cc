// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/request_parts.h"

namespace serving::protocol {

base::Status TooManyOf(std::string_view what, size_t limit) {
  return base::InvalidArgument(
      Join({"a request may have at most ", std::to_string(limit), " ", what}));
}

base::Status OutOfMemory(size_t bytes) {
  return base::Unavailable(
      Join({"the server's memory for requests is full: no room for a tensor of ",
            std::to_string(bytes), " bytes, try again later"}));
}

base::Status SharedMemoryDisabled() {
  return base::Unimplemented(
      "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to "
      "enable.");
}

base::Status TooLongCorrelationId() {
  return base::Unimplemented("string correlation ID cannot be longer than 128 characters");
}

core::Parameter* FindParameter(core::Parameters& parameters, std::string_view name) {
  for (core::Parameter& parameter : parameters) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

base::Status JsonTooLarge(size_t bytes, size_t limit) {
  return base::InvalidArgument(
      Join({"Request JSON size of ", std::to_string(bytes),
            " bytes exceeds the maximum allowed value of ", std::to_string(limit),
            " bytes. Use --http-max-input-size to increase the limit."}));
}

void AddPart(core::InputTensor& input, const std::byte* data, size_t size) {
  if (size > 0) input.parts.push_back({data, size, base::MemoryKind::kHost, 0});
  input.byte_size += size;
}

}  // namespace serving::protocol
