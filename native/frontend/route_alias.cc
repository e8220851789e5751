// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/route_alias.h"

#include <algorithm>

namespace serving::frontend {
namespace {

constexpr std::string_view kTargetModel = "x-amzn-sagemaker-target-model";
constexpr std::string_view kRedirect = "x-vertex-ai-triton-redirect";
constexpr std::string_view kGetMethod = "GET";

// A row of its service by its pattern; there is one.
const RouteRow* FindRow(Service service, std::string_view pattern) {
  const auto rows = RouteTable();
  return &*std::ranges::find_if(
      rows, [&](const RouteRow& row) { return row.service == service && row.pattern == pattern; });
}

// Of these Triton answers none through a redirect, and nobody may write shared memory through it.
// What is not of the v2 protocol Triton does not have.
bool IsRedirectable(const RouteRow& row) {
  if (row.service == Service::kHttp && !row.pattern.starts_with("/v2")) return false;
  return row.api != Api::kTrace && row.api != Api::kLogging && row.api != Api::kManagement &&
         !(row.api == Api::kSharedMemory && row.changes_state);
}

}  // namespace

void RouteAliases::Resolve(Service service, const net::RequestHead& head, Alias& alias) const {
  return service == Service::kSagemaker ? ResolveSagemaker(head, alias)
                                        : ResolveVertexAi(head, alias);
}

void RouteAliases::ResolveSagemaker(const net::RequestHead& head, Alias& alias) const {
  Route route = MatchRouteByTable(Service::kSagemaker, head.path);
  if (route.row == nullptr) return;
  const std::string_view name = route.model;
  switch (route.kind) {
    case RouteKind::kReady:
      if (spec_.ping_is_live) route.kind = RouteKind::kLive;
      break;
    case RouteKind::kInfer:
      if (name.empty()) {
        route.kind = spec_.invocations_kind;
        route.model = spec_.invocations_model;
        break;
      }
      if (!AllowsMethod(*route.row, head.method)) return;
      if (!spec_.loaded.contains(name)) {
        alias.refusal = 404;
        return;
      }
      alias.is_mme = true;
      route.model = head.Find(kTargetModel).value_or(name);
      break;
    default:
      if (!AllowsMethod(*route.row, head.method)) return;
  }
  alias.route = route;
}

void RouteAliases::ResolveVertexAi(const net::RequestHead& head, Alias& alias) const {
  static const RouteRow* const health = FindRow(Service::kVertexAi, kVertexAiHealth);
  static const RouteRow* const predict = FindRow(Service::kVertexAi, kVertexAiPredict);
  if (head.path == spec_.health_route) {
    alias.route = {.kind = health->kind, .row = health, .model = {}, .version = {}};
    return;
  }
  if (head.path != spec_.predict_route) return;
  if (const auto target = head.Find(kRedirect)) return Redirect(*target, head, alias);
  alias.route = {
      .kind = predict->kind, .row = predict, .model = spec_.predict_model, .version = {}};
}

void RouteAliases::Redirect(std::string_view target, const net::RequestHead& head, Alias& alias) {
  if (head.method != "POST") {
    alias.refusal = 405;
    return;
  }
  alias.path = "/" + std::string(target);
  const bool is_metrics = alias.path == "/metrics";
  const Route route = MatchRoute(is_metrics ? Service::kMetrics : Service::kHttp, alias.path);
  if (route.row == nullptr || !IsRedirectable(*route.row)) return;
  // All requests to this port are POST: the route gets the method it wants.
  if (!AllowsMethod(*route.row, head.method)) alias.method = kGetMethod;
  alias.route = route;
}

std::string_view BinaryMime(Service service) {
  return service == Service::kSagemaker
             ? "application/vnd.sagemaker-triton.binary+json;json-header-size="
             : "application/vnd.vertex-ai-triton.binary+json;json-header-size=";
}

bool IsOutOfMemory(std::string_view message) {
  // Words of PyTorch, TensorFlow, Python, CUDA's libraries and the system, as Triton looks for
  // them.
  static constexpr std::string_view kSigns[] = {"CUDA out of memory",
                                                "CUDA_OUT_OF_MEMORY",
                                                "Out of memory",
                                                "Out Of Memory",
                                                "out of memory",
                                                "MemoryError",
                                                "OutOfMemory",
                                                "OOM",
                                                "Dst tensor is not initialized",
                                                "Src tensor is not initialized",
                                                "CNMEM_STATUS_OUT_OF_MEMORY",
                                                "CUDNN_STATUS_NOT_INITIALIZED",
                                                "CUBLAS_STATUS_ALLOC_FAILED",
                                                "CUBLAS_STATUS_NOT_INITIALIZED",
                                                "Failed to allocate memory",
                                                "failed to allocate memory",
                                                "No space left on device"};
  return std::ranges::any_of(
      kSigns, [&](std::string_view sign) { return message.find(sign) != std::string_view::npos; });
}

}  // namespace serving::frontend
