// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/ref.h"
#include "frontend/routes.h"
#include "net/exchange.h"

namespace serving::frontend {

// The SageMaker and the Vertex AI port serve the same models under other paths. An alias says which
// route of the protocol a request of theirs means.

struct AliasSpec {
  // SageMaker
  bool ping_is_live = false;                       // else ready
  std::string invocations_model;                   // of POST /invocations
  RouteKind invocations_kind = RouteKind::kInfer;  // or kGenerate, kGenerateStream
  std::set<std::string, std::less<>> loaded;       // names that /models/{m}/invoke answers
  // Vertex AI
  std::string health_route;
  std::string predict_route;
  std::string predict_model;
};

struct Alias {
  // row is null when the request means nothing; `refusal` is the status then. The model of a route
  // without `path` is a name as it is, else it is a part of `path`.
  Route route;
  int refusal = 400;
  std::string path;         // of the v2 route a request is led to; empty = its own
  std::string_view method;  // what the route expects instead of the request's own; empty = its own
  bool is_mme = false;      // every error is 400, or 507 when memory was short
};

// Threads: immutable; swapped like the dispatch table.
class RouteAliases final : public base::RefCounted {
 public:
  static base::Ref<RouteAliases> Make(AliasSpec spec) {
    return base::Ref<RouteAliases>::Adopt(new RouteAliases(std::move(spec)));
  }

  // What a request to a port of `service` means. Views of the result are into the head, into this
  // object and into Alias::path, which must stay where it is: `alias` is filled in place.
  void Resolve(Service service, const net::RequestHead& head, Alias& alias) const;

 private:
  explicit RouteAliases(AliasSpec spec) : spec_(std::move(spec)) {}
  ~RouteAliases() override = default;

  void ResolveSagemaker(const net::RequestHead& head, Alias& alias) const;
  void ResolveVertexAi(const net::RequestHead& head, Alias& alias) const;
  static void Redirect(std::string_view target, const net::RequestHead& head, Alias& alias);

  const AliasSpec spec_;
};

using RouteAliasesRef = base::Ref<RouteAliases>;

// Requests of this service are resolved by RouteAliases.
constexpr bool HasAliases(Service service) {
  return service == Service::kSagemaker || service == Service::kVertexAi;
}

// A content type begins with it when a request of the service has binary data; the size of its JSON
// part follows.
std::string_view BinaryMime(Service service);

// A message of which SageMaker is to learn that memory was short.
bool IsOutOfMemory(std::string_view message);

}  // namespace serving::frontend
