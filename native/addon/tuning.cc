// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/tuning.h"

#include <string>

namespace serving::addon {
namespace {

double Microseconds(base::Nanoseconds time) { return static_cast<double>(time.count()) / 1000; }

}  // namespace

Napi::Object ToObject(Napi::Env env, const model::LoadView& view) {
  Napi::Array costs = Napi::Array::New(env, view.costs.size());
  for (uint32_t i = 0; i < view.costs.size(); ++i) {
    Napi::Object point = Napi::Object::New(env);
    point.Set("rows", view.costs[i].rows);
    point.Set("us", Microseconds(view.costs[i].time));
    point.Set("executions", static_cast<double>(view.costs[i].executions));
    costs.Set(i, point);
  }
  Napi::Array wanted = Napi::Array::New(env, view.wanted_rows.size());
  for (uint32_t i = 0; i < view.wanted_rows.size(); ++i) {
    wanted.Set(i, static_cast<double>(view.wanted_rows[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  if (view.target) object.Set("targetUs", Microseconds(*view.target));
  if (view.rows_per_second) object.Set("rowsPerSecond", *view.rows_per_second);
  object.Set("costs", costs);
  object.Set("instances", static_cast<double>(view.instances));
  object.Set("maxRows", static_cast<double>(view.max_rows));
  object.Set("wantedRows", wanted);
  object.Set("waitUs", Microseconds(view.wait));
  object.Set("reason", std::string(view.reason));
  return object;
}

}  // namespace serving::addon
