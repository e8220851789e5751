// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/policy_reader.h"

#include <string>
#include <utility>

#include "addon/values.h"

namespace serving::addon {
namespace {

using frontend::Api;

Api ApiOf(ObjectReader& reader, const char* key) {
  const std::string name = reader.Text(key);
  for (size_t i = 1; i < static_cast<size_t>(Api::kCount); ++i) {
    if (frontend::ApiName(static_cast<Api>(i)) == name) return static_cast<Api>(i);
  }
  reader.Fail(key, "the name of an API");
  return Api::kNone;
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
  RETURN_IF_ERROR(reader.status());
  return frontend::Policy::Compile(std::move(spec));
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
