// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/pattern.h"
#include "base/ref.h"
#include "base/sha256.h"
#include "base/status.h"
#include "frontend/grant.h"
#include "frontend/routes.h"
#include "net/exchange.h"

namespace serving::frontend {

using ApiSet = std::array<bool, static_cast<size_t>(Api::kCount)>;

// What TypeScript has made of the flags, before it is compiled.
struct PolicySpec {
  // A category that wants a header (--http-restricted-api, --grpc-restricted-protocol).
  struct Restricted {
    bool is_grpc = false;
    Api api = Api::kNone;
    std::string header;  // in any case
    std::string value;
  };
  struct Key {
    base::Sha256Digest digest{};
    GrantRef grant;
  };
  std::vector<Restricted> restricted;
  // --http-header-forward-pattern, --grpc-header-forward-pattern; empty = none.
  std::string http_forward_pattern;
  std::string grpc_forward_pattern;
  // Callers need a key or a token but for the public APIs.
  bool needs_key = false;
  std::vector<Key> keys;
  bool takes_tokens = false;  // TypeScript knows what a JWT is worth
  ApiSet public_apis{};
  // APIs that manage answer on the management port only.
  bool has_management_port = false;
  std::vector<std::string> cors_origins;  // `*` = any
  bool takes_deadlines = false;           // of HTTP requests, from their headers
};

// What the policy says of one request.
struct Admission {
  base::Status status;
  GrantRef grant;  // null where no key was needed
  // A token that only TypeScript can judge; a view into the request's head. Empty = decided.
  std::string_view token;
  base::Sha256Digest digest{};
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

  // Nothing to check and nothing to add for any request.
  bool is_open() const { return is_open_; }

  // Headers of infer calls that become parameters; null = none.
  const base::Pattern* forward_pattern(bool is_grpc) const {
    const auto& pattern = is_grpc ? grpc_forward_ : http_forward_;
    return pattern ? &*pattern : nullptr;
  }
  bool takes_deadlines() const { return takes_deadlines_; }

  // Origins that browsers may call from.
  bool has_cors() const { return !cors_origins_.empty(); }
  bool allows_any_origin() const { return allows_any_origin_; }
  bool AllowsOrigin(std::string_view origin) const;

  // `route` has a row. `service` is the listener's.
  Admission Check(const net::RequestHead& head, const Route& route, Service service,
                  bool is_grpc) const;

 private:
  struct Secret {
    std::string header;   // lower case
    std::string written;  // as the flag has it, for the refusal
    std::string value;
  };
  using Restrictions = std::array<std::optional<Secret>, static_cast<size_t>(Api::kCount)>;
  struct DigestHash {
    // Any eight bytes of a digest are as good as another hash of them.
    size_t operator()(const base::Sha256Digest& digest) const;
  };

  Policy() = default;
  ~Policy() override = default;

  base::Status CheckPort(const RouteRow& row, Service service) const;
  base::Status CheckRestriction(const net::RequestHead& head, Api api, bool is_grpc) const;

  bool is_open_ = true;
  Restrictions http_;
  Restrictions grpc_;
  std::optional<base::Pattern> http_forward_;
  std::optional<base::Pattern> grpc_forward_;
  bool needs_key_ = false;
  bool takes_tokens_ = false;
  ApiSet public_apis_{};
  std::unordered_map<base::Sha256Digest, GrantRef, DigestHash> keys_;
  bool has_management_port_ = false;
  std::vector<std::string> cors_origins_;
  bool allows_any_origin_ = false;
  bool takes_deadlines_ = false;
};

using PolicyRef = base::Ref<Policy>;

// The model that the path names, or that a cloud's port stands for; empty = none.
std::string NameOfModel(const Route& route, Service service);
// Whether the holder may use the route, on that model.
base::Status CheckGrant(const Grant& grant, const RouteRow& row, std::string_view model);
// Whether the holder may use a model that only the message names; empty = all of them.
base::Status CheckModel(const Grant& grant, std::string_view model);

// Takes the time of the longer text whatever they hold.
bool EqualInConstantTime(std::string_view given, std::string_view expected);

}  // namespace serving::frontend
