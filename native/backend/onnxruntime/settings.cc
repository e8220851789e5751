// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/settings.h"

#include <charconv>
#include <string_view>

namespace serving::backend::ort {
namespace {

constexpr int kMaxThreads = 1024;
constexpr std::string_view kPassedOn[] = {
    "session.intra_op.allow_spinning", "session.inter_op.allow_spinning",
    "session.set_denormal_as_zero", "session.disable_prepacking"};

// The parameter as an integer in [low, high]; `fallback` when it is not there.
base::Result<int> ReadInt(const core::ModelPlan& plan, const std::string& key, int low, int high,
                          int fallback) {
  const auto found = plan.parameters.find(key);
  if (found == plan.parameters.end()) return fallback;
  const std::string& text = found->second;
  int value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || value < low ||
      value > high) {
    return base::InvalidArgument("onnxruntime: parameter '" + key + "' of model '" + plan.name +
                                 "' is '" + text + "', expected an integer from " +
                                 std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

base::Result<std::optional<bool>> ReadFlag(const core::ModelPlan& plan, const std::string& key) {
  const auto found = plan.parameters.find(key);
  if (found == plan.parameters.end()) return std::optional<bool>();
  if (found->second == "true" || found->second == "false") {
    return std::optional<bool>(found->second == "true");
  }
  return base::InvalidArgument("onnxruntime: parameter '" + key + "' of model '" + plan.name +
                               "' is '" + found->second + "', expected true or false");
}

GraphLevel FromTritonLevel(int level) {
  switch (level) {
    case -1:
      return kEnableBasic;
    case 1:
      return kEnableExtended;
    case 2:
      return kDisableAll;
    default:
      return kEnableAll;
  }
}

}  // namespace

base::Result<SessionSettings> ReadSettings(const core::ModelPlan& plan) {
  SessionSettings settings;
  ASSIGN_OR_RETURN(settings.intra_op_threads,
                   ReadInt(plan, "intra_op_thread_count", 0, kMaxThreads, 1));
  ASSIGN_OR_RETURN(settings.inter_op_threads,
                   ReadInt(plan, "inter_op_thread_count", 0, kMaxThreads, 1));
  ASSIGN_OR_RETURN(const int mode, ReadInt(plan, "execution_mode", 0, 1, 0));
  ASSIGN_OR_RETURN(const int level,
                   ReadInt(plan, "optimization.graph.level", INT32_MIN, INT32_MAX, 0));
  ASSIGN_OR_RETURN(const int arena, ReadInt(plan, "enable_mem_arena", 0, 1, 1));
  ASSIGN_OR_RETURN(const int pattern, ReadInt(plan, "enable_mem_pattern", 0, 1, 1));
  ASSIGN_OR_RETURN(settings.share_sessions, ReadFlag(plan, "share_session_between_instances"));
  settings.mode = static_cast<ExecutionMode>(mode);
  settings.level = FromTritonLevel(level);
  settings.mem_arena = arena == 1;
  settings.mem_pattern = pattern == 1;
  for (const std::string_view key : kPassedOn) {
    const auto found = plan.parameters.find(std::string(key));
    if (found != plan.parameters.end()) settings.entries.emplace_back(key, found->second);
  }
  return settings;
}

}  // namespace serving::backend::ort
