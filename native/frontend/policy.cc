// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/policy.h"

#include <algorithm>
#include <utility>

namespace serving::frontend {
namespace {

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return text;
}

}  // namespace

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
  PolicyRef policy = PolicyRef::Adopt(new Policy);
  for (PolicySpec::Restricted& one : spec.restricted) {
    auto& place = (one.is_grpc ? policy->grpc_ : policy->http_)[static_cast<size_t>(one.api)];
    if (place) {
      return base::InvalidArgument("the API '" + std::string(ApiName(one.api)) +
                                   "' is restricted twice");
    }
    place =
        Secret{.header = Lower(one.header), .written = one.header, .value = std::move(one.value)};
    policy->is_open_ = false;
  }
  return policy;
}

base::Status Policy::Check(const net::RequestHead& head, const Route& route, bool is_grpc) const {
  return CheckRestriction(head, route.row->api, is_grpc);
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

}  // namespace serving::frontend
