// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/alias_reader.h"

#include <string>
#include <utility>

#include "addon/values.h"

namespace serving::addon {
namespace {

using frontend::RouteKind;

RouteKind InferenceKind(ObjectReader& reader, const char* key) {
  const std::string name = reader.Text(key);
  if (name == "infer") return RouteKind::kInfer;
  if (name == "generate") return RouteKind::kGenerate;
  if (name == "generate_stream") return RouteKind::kGenerateStream;
  reader.Fail(key, "infer, generate or generate_stream");
  return RouteKind::kInfer;
}

}  // namespace

base::Result<frontend::RouteAliasesRef> ReadAliases(Napi::Value value) {
  ObjectReader reader(value, "aliases");
  frontend::AliasSpec spec;
  spec.ping_is_live = reader.Text("ping") == "live";
  spec.invocations_model = reader.Text("invocationsModel");
  spec.invocations_kind = InferenceKind(reader, "invocationsKind");
  for (std::string& name : reader.Texts("loaded")) spec.loaded.insert(std::move(name));
  spec.health_route = reader.Text("healthRoute");
  spec.predict_route = reader.Text("predictRoute");
  spec.predict_model = reader.Text("predictModel");
  RETURN_IF_ERROR(reader.status());
  return frontend::RouteAliases::Make(std::move(spec));
}

}  // namespace serving::addon
