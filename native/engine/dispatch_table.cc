// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/dispatch_table.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace serving::engine {
namespace {

std::string Quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

base::Status UnknownVersion(std::string_view name, std::string_view version) {
  return base::NotFound("Request for unknown model: " + Quoted(name) + " version " +
                        std::string(version) + " is not found");
}

// -1 stands for the highest ready version, as an empty string does.
base::Result<int64_t> ParseVersion(std::string_view text) {
  int64_t version = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), version);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    return base::InvalidArgument("failed to get model version from specified version string '" +
                                 std::string(text) +
                                 "' (details: stol), version should be an integral value > 0");
  }
  if (version < 0) {
    return base::InvalidArgument("invalid model version specified '" + std::string(text) +
                                 "' , version should be an integral value > 0");
  }
  return version;
}

}  // namespace

base::Result<const DispatchModel*> DispatchTable::FindModel(std::string_view name) const {
  const auto found = models_.find(name);
  if (found == models_.end()) {
    return base::Status(unknown_model,
                        "Request for unknown model: " + Quoted(name) + " is not found");
  }
  return &found->second;
}

base::Result<model::Servable*> DispatchTable::Resolve(std::string_view name,
                                                      std::string_view version_text) const {
  std::optional<int64_t> version;
  if (!version_text.empty()) {
    ASSIGN_OR_RETURN(version, ParseVersion(version_text));
  }
  ASSIGN_OR_RETURN(const DispatchModel* entry, FindModel(name));
  bool any_ready = false;
  for (auto candidate = entry->versions.rbegin(); candidate != entry->versions.rend();
       ++candidate) {
    if (!candidate->is_ready || !candidate->model) continue;
    any_ready = true;
    if (!version || *version == candidate->version) return candidate->model.get();
  }
  if (!version || !any_ready) return entry->unavailable;
  const bool is_known = std::ranges::any_of(
      entry->versions, [&](const DispatchVersion& known) { return known.version == *version; });
  if (is_known) {
    return base::Unavailable("Request for unknown model: " + Quoted(name) + " version " +
                             std::string(version_text) + " is not at ready state");
  }
  return UnknownVersion(name, version_text);
}

bool DispatchTable::IsServerReady() const {
  return is_ready && !is_exiting && std::ranges::all_of(needs, [](const auto& list) {
           return std::ranges::any_of(list, [](const auto& model) { return model->CanServe(); });
         });
}

bool DispatchTable::Serves(std::string_view name) const {
  const auto found = models_.find(name);
  return found != models_.end() &&
         std::ranges::any_of(found->second.versions, &DispatchVersion::is_ready);
}

base::Result<bool> DispatchTable::IsReady(std::string_view name,
                                          std::string_view version_text) const {
  std::optional<int64_t> version;
  if (!version_text.empty()) {
    ASSIGN_OR_RETURN(version, ParseVersion(version_text));
  }
  ASSIGN_OR_RETURN(const DispatchModel* entry, FindModel(name));
  const auto is_ready = [](const DispatchVersion& known) {
    return known.is_ready && (!known.model || known.model->CanServe());
  };
  if (!version) return std::ranges::any_of(entry->versions, is_ready);
  for (const DispatchVersion& known : entry->versions) {
    if (known.version == *version) return is_ready(known);
  }
  return UnknownVersion(name, version_text);
}

}  // namespace serving::engine
