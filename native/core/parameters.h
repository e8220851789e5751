// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace serving::core {

// Value of a request or response parameter as KServe v2 and Triton know them.
using ParameterValue = std::variant<bool, int64_t, uint64_t, double, std::string_view>;

// Name and text point into the request's body or its arena.
struct Parameter {
  std::string_view name;
  ParameterValue value;
};

using Parameters = std::vector<Parameter>;

// A parameter of a response. Its text is its own: the request may be gone when the answer is
// written.
struct ResponseParameter {
  std::string name;
  std::variant<bool, int64_t, uint64_t, double, std::string> value;
};

using ResponseParameters = std::vector<ResponseParameter>;

}  // namespace serving::core
