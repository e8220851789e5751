// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/policy.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "frontend/route_alias.h"

namespace serving::frontend {
namespace {

constexpr size_t kMostTokenBytes = 8 << 10;

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return text;
}

// `Authorization: Bearer …`, else `x-api-key`; empty = the request has neither.
std::string_view TokenOf(const net::RequestHead& head) {
  constexpr std::string_view kBearer = "bearer ";
  if (const auto given = head.Find("authorization"); given && given->size() > kBearer.size()) {
    std::string_view text = *given;
    const bool is_bearer = std::equal(kBearer.begin(), kBearer.end(), text.begin(),
                                      [](char a, char b) { return a == (b | 0x20); });
    if (is_bearer) {
      text.remove_prefix(kBearer.size());
      while (text.starts_with(' ')) text.remove_prefix(1);
      return text;
    }
  }
  return head.Find("x-api-key").value_or("");
}

// Three parts of base64url with two dots between: what TypeScript is not bothered for otherwise.
bool LooksLikeJwt(std::string_view token) {
  if (token.size() > kMostTokenBytes || std::ranges::count(token, '.') != 2) return false;
  return std::ranges::all_of(token, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

size_t Policy::DigestHash::operator()(const base::Sha256Digest& digest) const {
  size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof(hash));
  return hash;
}

bool EqualInConstantTime(std::string_view given, std::string_view expected) {
  const size_t size = std::max(given.size(), expected.size());
  // volatile: the compiler may not leave the loop at the first difference.
  volatile size_t difference = given.size() ^ expected.size();
  for (size_t i = 0; i < size; ++i) {
    const auto a = static_cast<unsigned char>(i < given.size() ? given[i] : 0);
    const auto b = static_cast<unsigned char>(i < expected.size() ? expected[i] : 0);
    difference = difference | static_cast<size_t>(a ^ b);
  }
  return difference == 0;
}

base::Result<PolicyRef> Policy::Compile(PolicySpec spec) {
  PolicyRef policy = Open();
  for (PolicySpec::Restricted& one : spec.restricted) {
    auto& place = (one.is_grpc ? policy->grpc_ : policy->http_)[static_cast<size_t>(one.api)];
    if (place) {
      return base::InvalidArgument("the API '" + std::string(ApiName(one.api)) +
                                   "' is restricted twice");
    }
    place =
        Secret{.header = Lower(one.header), .written = one.header, .value = std::move(one.value)};
  }
  const auto compile = [](const std::string& text, std::optional<base::Pattern>& pattern) {
    if (text.empty()) return base::Status();
    ASSIGN_OR_RETURN(pattern, base::Pattern::Compile(text, true));
    return base::Status();
  };
  RETURN_IF_ERROR(compile(spec.http_forward_pattern, policy->http_forward_));
  RETURN_IF_ERROR(compile(spec.grpc_forward_pattern, policy->grpc_forward_));
  policy->needs_key_ = spec.needs_key;
  policy->takes_tokens_ = spec.takes_tokens;
  policy->public_apis_ = spec.public_apis;
  for (PolicySpec::Key& key : spec.keys) {
    policy->keys_.insert_or_assign(key.digest, std::move(key.grant));
  }
  policy->has_management_port_ = spec.has_management_port;
  policy->cors_origins_ = std::move(spec.cors_origins);
  policy->allows_any_origin_ =
      std::ranges::find(policy->cors_origins_, "*") != policy->cors_origins_.end();
  policy->takes_deadlines_ = spec.takes_deadlines;
  policy->is_open_ = spec.restricted.empty() && !policy->http_forward_ && !policy->grpc_forward_ &&
                     !spec.needs_key && !spec.has_management_port &&
                     policy->cors_origins_.empty() && !spec.takes_deadlines;
  return policy;
}

bool Policy::AllowsOrigin(std::string_view origin) const {
  return allows_any_origin_ || std::ranges::find(cors_origins_, origin) != cors_origins_.end();
}

Admission Policy::Check(const net::RequestHead& head, const Route& route, Service service,
                        bool is_grpc) const {
  const RouteRow& row = *route.row;
  Admission admission;
  admission.status = CheckPort(row, service);
  if (admission.status.ok()) admission.status = CheckRestriction(head, row.api, is_grpc);
  if (!admission.status.ok() || !needs_key_ || public_apis_[static_cast<size_t>(row.api)] ||
      row.kind == RouteKind::kNothing) {
    return admission;
  }
  const std::string_view token = TokenOf(head);
  if (token.empty()) {
    admission.status = base::Unauthenticated(
        "an API key or a token is needed: send 'Authorization: Bearer …' or 'x-api-key'");
    return admission;
  }
  admission.digest = base::Sha256(token);
  if (const auto found = keys_.find(admission.digest); found != keys_.end()) {
    admission.grant = found->second;
    admission.status = CheckGrant(*admission.grant, row, NameOfModel(route, service));
  } else if (takes_tokens_ && LooksLikeJwt(token)) {
    admission.token = token;
  } else {
    admission.status = base::Unauthenticated("the API key or token is not valid");
  }
  return admission;
}

base::Status Policy::CheckPort(const RouteRow& row, Service service) const {
  if (!has_management_port_) return {};
  if (service == Service::kManagement) {
    if (row.api != Api::kInference) return {};
    return base::PermissionDenied("This API does not answer on the management port");
  }
  if (!IsManagement(row)) return {};
  return base::PermissionDenied("This API answers on the management port only");
}

base::Status Policy::CheckRestriction(const net::RequestHead& head, Api api, bool is_grpc) const {
  const auto& secret = (is_grpc ? grpc_ : http_)[static_cast<size_t>(api)];
  if (!secret) return {};
  const auto given = head.Find(secret->header);
  if (given && EqualInConstantTime(*given, secret->value)) return {};
  if (is_grpc) {
    return base::Unavailable("This protocol is restricted, expecting header '" + secret->written +
                             "'");
  }
  return base::PermissionDenied("This API is restricted, expecting header '" + secret->written +
                                "'");
}

std::string NameOfModel(const Route& route, Service service) {
  // What an alias names is a name already.
  if (route.model.empty() || HasAliases(service)) return std::string(route.model);
  return PercentDecode(route.model).value_or(std::string(route.model));
}

base::Status CheckGrant(const Grant& grant, const RouteRow& row, std::string_view model) {
  if (row.scope != Scope::kPublic && !grant.Has(row.scope)) {
    return base::PermissionDenied("the API key or token lacks the scope '" +
                                  std::string(ScopeName(row.scope)) + "'");
  }
  if (grant.covers_all_models() || row.scope == Scope::kPublic || row.model_field != 0) return {};
  if (!model.empty()) return CheckModel(grant, model);
  // What is about no model in particular may be read; what runs, shows or changes all may not.
  if (row.scope == Scope::kInfer && row.api != Api::kInference) return {};
  return CheckModel(grant, {});
}

base::Status CheckModel(const Grant& grant, std::string_view model) {
  if (grant.CoversModel(model)) return {};
  if (model.empty()) {
    return base::PermissionDenied("the API key or token does not cover every model");
  }
  return base::PermissionDenied("the API key or token does not cover model '" + std::string(model) +
                                "'");
}

}  // namespace serving::frontend
