// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ref.h"
#include "base/status.h"
#include "frontend/routes.h"
#include "net/exchange.h"

namespace serving::frontend {

// What TypeScript has made of the flags, before it is compiled.
struct PolicySpec {
  // A category that wants a header (--http-restricted-api, --grpc-restricted-protocol).
  struct Restricted {
    bool is_grpc = false;
    Api api = Api::kNone;
    std::string header;  // in any case
    std::string value;
  };
  std::vector<Restricted> restricted;
};

// Who may use which route. Checked once for each request, at its head, before its method and its
// body are looked at, whoever answers it.
//
// Threads: immutable; swapped like the dispatch table.
class Policy final : public base::RefCounted {
 public:
  static base::Result<base::Ref<Policy>> Compile(PolicySpec spec);
  // Every route is anybody's.
  static base::Ref<Policy> Open() { return base::Ref<Policy>::Adopt(new Policy); }

  // Nothing to check for any request.
  bool is_open() const { return is_open_; }

  // OK, or what the client is told. `route` has a row.
  base::Status Check(const net::RequestHead& head, const Route& route, bool is_grpc) const;

 private:
  struct Secret {
    std::string header;   // lower case
    std::string written;  // as the flag has it, for the refusal
    std::string value;
  };
  using Restrictions = std::array<std::optional<Secret>, static_cast<size_t>(Api::kCount)>;

  Policy() = default;
  ~Policy() override = default;

  base::Status CheckRestriction(const net::RequestHead& head, Api api, bool is_grpc) const;

  bool is_open_ = true;
  Restrictions http_;
  Restrictions grpc_;
};

using PolicyRef = base::Ref<Policy>;

// Takes the time of the longer text whatever they hold.
bool EqualInConstantTime(std::string_view given, std::string_view expected);

}  // namespace serving::frontend
