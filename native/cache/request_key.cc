// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/request_key.h"

#include <bit>
#include <span>
#include <string_view>
#include <variant>

#include "model/execution.h"

namespace serving::cache {
namespace {

void AddText(SipHash& hash, std::string_view text) {
  hash.Add(text.size());
  hash.Add(std::as_bytes(std::span(text)));
}

void AddInput(SipHash& hash, const core::InputTensor& input) {
  hash.Add(static_cast<uint64_t>(input.data_type) << 8 | input.shape.rank());
  hash.Add(std::as_bytes(input.shape.dims()));
  hash.Add(input.byte_size);
  for (const tensor::TensorView& part : input.parts) hash.Add({part.data, part.size});
}

void AddValue(SipHash& hash, const core::ParameterValue& value) {
  hash.Add(value.index());
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::string_view>) {
          AddText(hash, held);
        } else if constexpr (std::is_same_v<Held, double>) {
          hash.Add(std::bit_cast<uint64_t>(held));
        } else {
          hash.Add(static_cast<uint64_t>(held));
        }
      },
      value);
}

}  // namespace

// Every part says how long it is, so that no two requests give the same bytes to hash.
std::optional<Hash128> KeyOf(const core::ModelPlan& plan, const core::InferRequest& request,
                             uint64_t owner, const std::array<uint64_t, 2>& secret) {
  const bool is_in_sequence = !std::holds_alternative<std::monostate>(request.correlation_id);
  if (!request.client_memory.empty() || is_in_sequence) return std::nullopt;
  SipHash hash(secret);
  hash.Add(owner);
  for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
    const core::InputTensor* input = model::FindInput(request, slot);
    hash.Add(input == nullptr ? 0 : 1);
    if (input != nullptr) AddInput(hash, *input);
  }
  for (uint32_t slot = 0; slot < plan.outputs.size(); ++slot) {
    hash.Add(model::WantsOutput(request, slot) ? 1 : 0);
  }
  hash.Add(request.parameters.size());
  for (const core::Parameter& parameter : request.parameters) {
    AddText(hash, parameter.name);
    AddValue(hash, parameter.value);
  }
  return hash.Finish();
}

}  // namespace serving::cache
