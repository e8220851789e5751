// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ref.h"
#include "base/status.h"
#include "ensemble/ensemble.h"
#include "model/servable.h"

namespace serving::engine {

// A loaded version in the eyes of TypeScript. Never used twice.
using ModelHandle = int64_t;

// Where the requests of an ensemble's steps go while a table is in force.
struct BoundEnsemble {
  base::Ref<ensemble::Ensemble> ensemble;
  base::Ref<const ensemble::Binding> binding;
};

struct DispatchVersion {
  int64_t version = 0;
  base::Ref<model::Servable> model;  // null: known, not served
  bool is_ready = false;
};

struct DispatchModel {
  std::vector<DispatchVersion> versions;  // ascending
  base::Status unavailable;               // answer when no version serves
};

// What TypeScript has published: the one thing the infer path and the health routes look at.
// Immutable; swapped as a whole on every I/O thread, and dies with its last reader.
class DispatchTable final : public base::RefCounted {
 public:
  bool is_live = true;
  bool is_ready = false;
  // Not ready any more; what still comes over open connections is served until they end.
  bool is_exiting = false;
  // A call for a model that does not serve asks TypeScript to load it, and waits.
  bool is_on_demand = false;
  // Status of a request for a model that is not here.
  base::StatusCode unknown_model = base::StatusCode::kNotFound;
  std::vector<BoundEnsemble> ensembles;
  // Readiness of the server needs of each list one model that can serve, too.
  std::vector<std::vector<base::Ref<model::Servable>>> needs;

  void Add(std::string name, DispatchModel model) { models_[std::move(name)] = std::move(model); }

  // The model that serves `name` and `version` (decimal; empty = highest ready). Fails with
  // Triton's words.
  base::Result<model::Servable*> Resolve(std::string_view name, std::string_view version) const;

  // Readiness of the server.
  bool IsServerReady() const;

  // Whether any version is ready.
  bool Serves(std::string_view name) const;

  // Readiness of a version (empty = any): NotFound for an unknown model or version.
  base::Result<bool> IsReady(std::string_view name, std::string_view version) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  base::Result<const DispatchModel*> FindModel(std::string_view name) const;

  std::unordered_map<std::string, DispatchModel, Hash, std::equal_to<>> models_;
};

using DispatchTableRef = base::Ref<const DispatchTable>;

}  // namespace serving::engine
