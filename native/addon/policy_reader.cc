// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/policy_reader.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "addon/values.h"

namespace serving::addon {
namespace {

using frontend::Api;

// kNone when there is none of that name.
Api ApiNamed(std::string_view name) {
  for (size_t i = 1; i < static_cast<size_t>(Api::kCount); ++i) {
    if (frontend::ApiName(static_cast<Api>(i)) == name) return static_cast<Api>(i);
  }
  return Api::kNone;
}

Api ApiOf(ObjectReader& reader, const char* key) {
  const Api api = ApiNamed(reader.Text(key));
  if (api == Api::kNone) reader.Fail(key, "the name of an API");
  return api;
}

frontend::GrantRef ReadGrant(ObjectReader& reader) {
  frontend::Grant::Scopes scopes = 0;
  for (const std::string& name : reader.Texts("scopes")) {
    const auto known = {frontend::Scope::kInfer, frontend::Scope::kManage,
                        frontend::Scope::kMetrics};
    const auto* found = std::ranges::find(known, name, frontend::ScopeName);
    if (found == known.end()) {
      reader.Fail("scopes", "infer, manage or metrics");
    } else {
      scopes |= frontend::Grant::Bit(*found);
    }
  }
  return base::MakeRef<frontend::Grant>(scopes, reader.Texts("models"));
}

bool ReadDigest(const std::string& hex, base::Sha256Digest& digest) {
  if (hex.size() != 2 * digest.size()) return false;
  for (size_t i = 0; i < digest.size(); ++i) {
    const char* at = hex.data() + 2 * i;
    if (std::from_chars(at, at + 2, digest[i], 16).ptr != at + 2) return false;
  }
  return true;
}

Napi::Array MethodNames(Napi::Env env, frontend::Methods methods) {
  static constexpr std::pair<frontend::Methods, const char*> kNames[] = {
      {frontend::kGet, "GET"},
      {frontend::kPost, "POST"},
      {frontend::kPut, "PUT"},
      {frontend::kDelete, "DELETE"}};
  Napi::Array names = Napi::Array::New(env);
  for (const auto& [bit, name] : kNames) {
    if ((methods & bit) != 0) names.Set(names.Length(), name);
  }
  return names;
}

}  // namespace

base::Result<frontend::PolicyRef> ReadPolicy(Napi::Value value) {
  ObjectReader reader(value, "policy");
  frontend::PolicySpec spec;
  reader.ForEach("restricted", [&](Napi::Value each) {
    ObjectReader row(each, "policy.restricted");
    spec.restricted.push_back({.is_grpc = row.Text("protocol") == "grpc",
                               .api = ApiOf(row, "api"),
                               .header = row.Text("header"),
                               .value = row.Text("value")});
    reader.Merge(row.status());
  });
  spec.needs_key = reader.Bool("needsKey");
  spec.takes_tokens = reader.Bool("takesTokens");
  reader.ForEach("keys", [&](Napi::Value each) {
    ObjectReader row(each, "policy.keys");
    frontend::PolicySpec::Key key;
    if (!ReadDigest(row.Text("sha256"), key.digest)) row.Fail("sha256", "64 hexadecimal digits");
    key.grant = ReadGrant(row);
    reader.Merge(row.status());
    spec.keys.push_back(std::move(key));
  });
  for (const std::string& name : reader.Texts("publicApis")) {
    const Api api = ApiNamed(name);
    if (api == Api::kNone) reader.Fail("publicApis", "names of APIs");
    spec.public_apis[static_cast<size_t>(api)] = true;
  }
  spec.has_management_port = reader.Bool("hasManagementPort");
  spec.cors_origins = reader.Texts("corsOrigins");
  spec.takes_deadlines = reader.Bool("takesDeadlines");
  spec.http_forward_pattern = reader.Text("httpForwardPattern");
  spec.grpc_forward_pattern = reader.Text("grpcForwardPattern");
  RETURN_IF_ERROR(reader.status());
  return frontend::Policy::Compile(std::move(spec));
}

base::Result<frontend::Verdict> ReadVerdict(Napi::Value value) {
  ObjectReader reader(value, "verdict");
  frontend::Verdict verdict;
  verdict.lifetime = std::chrono::milliseconds(reader.Integer("lifetimeMs"));
  if (const int64_t code = reader.Integer("code"); code != 0) {
    verdict.status = {static_cast<base::StatusCode>(code), reader.Text("message")};
  } else {
    verdict.grant = ReadGrant(reader);
  }
  RETURN_IF_ERROR(reader.status());
  return verdict;
}

Napi::Array RoutesToJs(Napi::Env env) {
  const auto rows = frontend::RouteTable();
  Napi::Array array = Napi::Array::New(env, rows.size());
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const frontend::RouteRow& row = rows[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("service", std::string(frontend::ServiceName(row.service)));
    object.Set("methods", MethodNames(env, row.methods));
    object.Set("pattern", std::string(row.pattern));
    object.Set("api", std::string(frontend::ApiName(row.api)));
    object.Set("scope", std::string(frontend::ScopeName(row.scope)));
    object.Set("changesState", row.changes_state);
    object.Set("management", frontend::IsManagement(row));
    object.Set("native", row.kind != frontend::RouteKind::kControl);
    array.Set(i, object);
  }
  return array;
}

}  // namespace serving::addon
