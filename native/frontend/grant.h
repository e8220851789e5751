// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "frontend/route_table.h"

namespace serving::frontend {

// What a key or a token may do. Immutable; shared by the policy, the caches of tokens and calls.
class Grant final : public base::RefCounted {
 public:
  using Scopes = uint8_t;
  static constexpr Scopes Bit(Scope scope) {
    return static_cast<Scopes>(1u << static_cast<unsigned>(scope));
  }

  // `models`: names, `*` at the end of one stands for any ending.
  Grant(Scopes scopes, std::vector<std::string> models)
      : scopes_(scopes), models_(std::move(models)), covers_all_(Covers("")) {}

  bool Has(Scope scope) const { return (scopes_ & Bit(scope)) != 0; }
  bool covers_all_models() const { return covers_all_; }
  bool CoversModel(std::string_view name) const { return covers_all_ || Covers(name); }

 private:
  ~Grant() override = default;

  // The empty name, which no model has, is found by `*` alone.
  bool Covers(std::string_view name) const {
    for (const std::string_view model : models_) {
      if (model.ends_with('*') ? name.starts_with(model.substr(0, model.size() - 1))
                               : name == model && !name.empty()) {
        return true;
      }
    }
    return false;
  }

  const Scopes scopes_;
  const std::vector<std::string> models_;
  const bool covers_all_;
};

using GrantRef = base::Ref<Grant>;

}  // namespace serving::frontend
