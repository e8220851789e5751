// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/request_key.h"

#include <bit>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "model/execution.h"

namespace serving::cache {
namespace {

void AddText(SipHash& hash, std::string_view text) {
  hash.Add(text.size());
  hash.Add(std::as_bytes(std::span(text)));
}

// Of an input that is not there; no input has so many bytes.
constexpr uint64_t kAbsent = ~uint64_t{0};

void AddInput(SipHash& hash, const core::InputTensor& input) {
  hash.Add(input.byte_size << 16 | static_cast<uint64_t>(input.data_type) << 8 |
           input.shape.rank());
  hash.Add(std::as_bytes(input.shape.dims()));
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
    if (input == nullptr) {
      hash.Add(kAbsent);
    } else {
      AddInput(hash, *input);
    }
  }
  uint64_t wanted = 0;  // a bit for each of 64 outputs
  for (uint32_t slot = 0; slot < plan.outputs.size(); ++slot) {
    wanted |= uint64_t{model::WantsOutput(request, slot)} << slot % 64;
    if (slot % 64 == 63) hash.Add(std::exchange(wanted, 0));
  }
  hash.Add(wanted);
  hash.Add(request.parameters.size());
  for (const core::Parameter& parameter : request.parameters) {
    AddText(hash, parameter.name);
    AddValue(hash, parameter.value);
  }
  return hash.Finish();
}

}  // namespace serving::cache
