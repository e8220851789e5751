// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/status.h"

namespace serving::backend {

// One JSON object whose members are strings (without escapes), whole numbers and booleans: what the
// test door needs.
class FlatJson {
 public:
  static base::Result<FlatJson> Parse(std::string_view text);

  bool Has(const std::string& name) const { return members_.contains(name); }
  // The fallback for an absent member; InvalidArgument for one of another type, numbers below 0
  // included.
  base::Result<int64_t> Count(const std::string& name, int64_t fallback) const;
  base::Result<std::string> Text(const std::string& name, std::string fallback) const;

 private:
  std::map<std::string, std::variant<int64_t, bool, std::string>> members_;
};

}  // namespace serving::backend
