// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// GET /v2/health/details: what TypeScript said last of models and policy, and what is so now.

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "frontend/frontend.h"
#include "frontend/io_handler.h"
#include "protocol/json_writer.h"
#include "protocol/utf8.h"

namespace serving::frontend {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

void AppendText(std::string& out, std::string_view text) {
  const std::string clean = protocol::ToUtf8(text);
  const size_t start = out.size();
  out.resize(start + protocol::JsonStringCapacity(clean));
  const char* const end = protocol::WriteJsonString(clean, out.data() + start);
  out.resize(static_cast<size_t>(end - out.data()));
}

void AppendBool(std::string& out, std::string_view key, bool value) {
  out.append(key).append(value ? "true" : "false");
}

void AppendInstance(std::string& out, const core::ModelPlan& plan, size_t index,
                    const metrics::InstanceState& instance) {
  out.append(out.ends_with('[') ? "{\"model\":" : ",{\"model\":");
  AppendText(out, plan.name);
  out.append(",\"version\":\"").append(std::to_string(plan.version));
  out.append("\",\"index\":").append(std::to_string(index));
  out.append(",\"state\":\"").append(metrics::ConditionName(instance.condition)).append("\"");
  if (!instance.reason.empty()) {
    out.append(",\"reason\":");
    AppendText(out, instance.reason);
  }
  out.append(",\"failed_attempts\":").append(std::to_string(instance.failed_attempts));
  out.append(",\"poisonings\":").append(std::to_string(instance.poisonings)).append("}");
}

}  // namespace

void Frontend::SetHealthDetails(std::optional<std::string> members) {
  std::lock_guard lock(mutex_);
  heard_at_ = steady_clock::now();
  if (members) health_details_ = std::move(*members);
}

std::string Frontend::RenderHealthDetails(const engine::DispatchTable& table) {
  std::string out;
  AppendBool(out, "{\"live\":", table.is_live);
  AppendBool(out, ",\"ready\":", table.IsServerReady());
  AppendBool(out, ",\"exiting\":", table.is_exiting);
  const size_t used = engine_.budget()->used();
  const size_t limit = engine_.budget()->limit();
  out.append(",\"memory\":{\"used_bytes\":").append(std::to_string(used));
  out.append(",\"limit_bytes\":").append(std::to_string(limit)).append("},\"instances\":[");
  for (const auto& sample : engine_.Snapshot()) {
    for (size_t i = 0; i < sample.statistics.instances.size(); ++i) {
      AppendInstance(out, sample.model->plan(), i, sample.statistics.instances[i]);
    }
  }
  out.append("],\"event_loop\":{\"age_ms\":");
  std::lock_guard lock(mutex_);
  out.append(heard_at_ ? std::to_string(
                             duration_cast<milliseconds>(steady_clock::now() - *heard_at_).count())
                       : "null");
  out.append("}");
  if (!health_details_.empty()) out.append(",").append(health_details_);
  return out.append("}");
}

void IoHandler::AnswerHealthDetails(Call& call) {
  answers_.Http(call, 200, kJson, frontend_.RenderHealthDetails(*table_));
}

}  // namespace serving::frontend
