// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/status.h"
#include "core/infer_request.h"
#include "protocol/region_tensor.h"

namespace serving::protocol {

// One entry of a map<string, InferParameter>. monostate: no choice of the oneof was set.
struct GrpcParameter {
  std::string_view name;
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string_view> value;
};

// Reads a map entry in place. Nothing when it is no such message.
std::optional<GrpcParameter> ReadGrpcParameter(std::span<const std::byte> entry);

// Takes a parameter of the request itself over: a reserved one into its field, any other into
// `request.parameters`. Of two with the same name the later stays, as in a protobuf map.
base::Status TakeRequestParameter(const GrpcParameter& parameter, core::InferRequest& request);

// Which parameters of one input or output tensor were given; shared memory needs all of them seen.
class TensorParameters {
 public:
  // `output` null for inputs; there `classification` counts as unknown and is ignored.
  base::Status Take(const GrpcParameter& parameter, std::string_view tensor,
                    core::WantedOutput* output);
  // After the last one: where the tensor lies in shared memory, or nothing. Any region is refused
  // while shared memory is off.
  base::Result<std::optional<RegionRange>> Finish(std::string_view tensor,
                                                  bool is_shared_memory_on) const;

 private:
  std::optional<GrpcParameter> region_;
  std::optional<GrpcParameter> offset_;
  std::optional<GrpcParameter> byte_size_;
};

}  // namespace serving::protocol
