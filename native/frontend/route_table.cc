// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/route_table.h"

#include <algorithm>
#include <iterator>

namespace serving::frontend {
namespace {

constexpr bool kChanges = true;
constexpr Methods kGetOrPost = kGet | kPost;

constexpr RouteRow Http(Methods methods, std::string_view pattern, Api api, Scope scope,
                        RouteKind kind = RouteKind::kControl, bool changes_state = false) {
  return {Service::kHttp, methods, pattern, kind, api, scope, changes_state};
}

constexpr RouteRow Grpc(std::string_view path, Api api, Scope scope,
                        RouteKind kind = RouteKind::kControl, uint8_t model_field = 0,
                        bool changes_state = false) {
  return {Service::kGrpc, kPost, path, kind, api, scope, changes_state, model_field};
}

// The first row that matches is taken: `/v2/models/stats` is no model.
constexpr RouteRow kRows[] = {
    Http(kPost, "/v2/models/{m}[/versions/{v}]/infer", Api::kInference, Scope::kInfer,
         RouteKind::kInfer),
    Http(kPost, "/v2/models/{m}[/versions/{v}]/generate", Api::kInference, Scope::kInfer,
         RouteKind::kGenerate),
    Http(kPost, "/v2/models/{m}[/versions/{v}]/generate_stream", Api::kInference, Scope::kInfer,
         RouteKind::kGenerateStream),
    Http(kGet, "/v2/health/live", Api::kHealth, Scope::kPublic, RouteKind::kLive),
    Http(kGet, "/v2/health/ready", Api::kHealth, Scope::kPublic, RouteKind::kReady),
    Http(kGet, "/v2/models/{m}[/versions/{v}]/ready", Api::kHealth, Scope::kPublic,
         RouteKind::kModelReady),
    // Answered here, 404 where it is off.
    Http(kGet, "/v2/health/details", Api::kStatistics, Scope::kMetrics, RouteKind::kHealthDetails),
    // TypeScript answers 404 where it is off.
    Http(kGet, "/v2/memory", Api::kStatistics, Scope::kMetrics),
    Http(kGet, "/v2", Api::kMetadata, Scope::kInfer),
    // Pages and OpenAPI documents; TypeScript answers 404 where they are off.
    Http(kGet, "/v2/docs", Api::kDocs, Scope::kInfer),
    Http(kGet, "/v2/docs/openapi.json", Api::kDocs, Scope::kInfer),
    Http(kGet, "/v2/models/{m}/docs", Api::kDocs, Scope::kInfer),
    Http(kGet, "/v2/models/{m}/docs/openapi.json", Api::kDocs, Scope::kInfer),
    // KServe's; TypeScript answers 404 where they are off.
    Http(kGet, "/", Api::kHealth, Scope::kPublic),
    Http(kGet, "/v2/models", Api::kMetadata, Scope::kInfer),
    Http(kGet, "/v1/models", Api::kMetadata, Scope::kInfer),
    Http(kPost, "/v1/models/{m}:predict", Api::kInference, Scope::kInfer),
    Http(kPost, "/v1/models/{m}:explain", Api::kInference, Scope::kInfer),
    Http(kGet, "/v1/models/{m}", Api::kMetadata, Scope::kInfer),
    Http(kGet, "/v2/models/stats", Api::kStatistics, Scope::kMetrics),
    Http(kGet, "/v2/models/{m}[/versions/{v}]", Api::kMetadata, Scope::kInfer),
    Http(kGet, "/v2/models/{m}[/versions/{v}]/config", Api::kModelConfig, Scope::kInfer),
    Http(kGet, "/v2/models/{m}[/versions/{v}]/stats", Api::kStatistics, Scope::kMetrics),
    // TypeScript answers 404 where it is off.
    Http(kGet, "/v2/models/{m}[/versions/{v}]/batching", Api::kStatistics, Scope::kMetrics),
    Http(kGetOrPost, "/v2/models/{m}/trace/setting", Api::kTrace, Scope::kManage,
         RouteKind::kControl, kChanges),
    Http(kGetOrPost, "/v2/trace/setting", Api::kTrace, Scope::kManage, RouteKind::kControl,
         kChanges),
    Http(kGetOrPost, "/v2/logging", Api::kLogging, Scope::kManage, RouteKind::kControl, kChanges),
    Http(kPost, "/v2/repository[/{r}]/index", Api::kModelRepository, Scope::kManage),
    Http(kPost, "/v2/repository[/{r}]/models/{m}/load", Api::kModelRepository, Scope::kManage,
         RouteKind::kControl, kChanges),
    Http(kPost, "/v2/repository[/{r}]/models/{m}/unload", Api::kModelRepository, Scope::kManage,
         RouteKind::kControl, kChanges),
    Http(kGet, "/v2/systemsharedmemory[/region/{r}]/status", Api::kSharedMemory, Scope::kInfer),
    Http(kPost, "/v2/systemsharedmemory[/region/{r}]/register", Api::kSharedMemory, Scope::kManage,
         RouteKind::kControl, kChanges),
    Http(kPost, "/v2/systemsharedmemory[/region/{r}]/unregister", Api::kSharedMemory,
         Scope::kManage, RouteKind::kControl, kChanges),
    Http(kGet, "/v2/cudasharedmemory[/region/{r}]/status", Api::kSharedMemory, Scope::kInfer),
    Http(kPost, "/v2/cudasharedmemory[/region/{r}]/register", Api::kSharedMemory, Scope::kManage,
         RouteKind::kControl, kChanges),
    Http(kPost, "/v2/cudasharedmemory[/region/{r}]/unregister", Api::kSharedMemory, Scope::kManage,
         RouteKind::kControl, kChanges),
    // The door of the test backends; TypeScript answers 404 unless they are on.
    Http(kPost, "/v2/test/{m}[/versions/{v}]", Api::kManagement, Scope::kManage,
         RouteKind::kControl, kChanges),

    {Service::kMetrics, kGet, "/metrics[/]", RouteKind::kMetrics, Api::kMetrics, Scope::kMetrics},
    {Service::kMetrics, kGet, "*", RouteKind::kNothing, Api::kMetrics, Scope::kPublic},

    {Service::kSagemaker, kGet, "/ping", RouteKind::kReady, Api::kHealth, Scope::kPublic},
    {Service::kSagemaker, kPost, "/invocations", RouteKind::kInfer, Api::kInference, Scope::kInfer},
    {Service::kSagemaker, kPost, "/models/{m}/invoke", RouteKind::kInfer, Api::kInference,
     Scope::kInfer},
    {Service::kSagemaker, kGetOrPost, "/models[/]", RouteKind::kControl, Api::kModelRepository,
     Scope::kManage, kChanges},
    {Service::kSagemaker, kGet | kPost | kDelete, "/models/{m}", RouteKind::kControl,
     Api::kModelRepository, Scope::kManage, kChanges},

    {Service::kVertexAi, kGet, kVertexAiHealth, RouteKind::kReady, Api::kHealth, Scope::kPublic},
    {Service::kVertexAi, kPost, kVertexAiPredict, RouteKind::kInfer, Api::kInference,
     Scope::kInfer},

    Grpc("/inference.GRPCInferenceService/ModelInfer", Api::kInference, Scope::kInfer,
         RouteKind::kInfer, 1),
    Grpc("/inference.GRPCInferenceService/ModelStreamInfer", Api::kInference, Scope::kInfer,
         RouteKind::kStreamInfer, 1),
    Grpc("/inference.GRPCInferenceService/ServerLive", Api::kHealth, Scope::kPublic,
         RouteKind::kLive),
    Grpc("/inference.GRPCInferenceService/ServerReady", Api::kHealth, Scope::kPublic,
         RouteKind::kReady),
    Grpc("/inference.GRPCInferenceService/ModelReady", Api::kHealth, Scope::kPublic,
         RouteKind::kModelReady, 1),
    Grpc("/grpc.health.v1.Health/Check", Api::kHealth, Scope::kPublic, RouteKind::kHealthCheck),
    Grpc("/grpc.health.v1.Health/Watch", Api::kHealth, Scope::kPublic, RouteKind::kHealthWatch),
    Grpc("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Api::kMetadata, Scope::kInfer,
         RouteKind::kReflection),
    Grpc("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Api::kMetadata,
         Scope::kInfer, RouteKind::kReflection),
    Grpc("/inference.GRPCInferenceService/ServerMetadata", Api::kMetadata, Scope::kInfer),
    Grpc("/inference.GRPCInferenceService/ModelMetadata", Api::kMetadata, Scope::kInfer,
         RouteKind::kControl, 1),
    Grpc("/inference.GRPCInferenceService/ModelConfig", Api::kModelConfig, Scope::kInfer,
         RouteKind::kControl, 1),
    Grpc("/inference.GRPCInferenceService/ModelStatistics", Api::kStatistics, Scope::kMetrics,
         RouteKind::kControl, 1),
    Grpc("/inference.GRPCInferenceService/RepositoryIndex", Api::kModelRepository, Scope::kManage),
    Grpc("/inference.GRPCInferenceService/RepositoryModelLoad", Api::kModelRepository,
         Scope::kManage, RouteKind::kControl, 2, kChanges),
    Grpc("/inference.GRPCInferenceService/RepositoryModelUnload", Api::kModelRepository,
         Scope::kManage, RouteKind::kControl, 2, kChanges),
    Grpc("/inference.GRPCInferenceService/SystemSharedMemoryStatus", Api::kSharedMemory,
         Scope::kInfer),
    Grpc("/inference.GRPCInferenceService/SystemSharedMemoryRegister", Api::kSharedMemory,
         Scope::kManage, RouteKind::kControl, 0, kChanges),
    Grpc("/inference.GRPCInferenceService/SystemSharedMemoryUnregister", Api::kSharedMemory,
         Scope::kManage, RouteKind::kControl, 0, kChanges),
    Grpc("/inference.GRPCInferenceService/CudaSharedMemoryStatus", Api::kSharedMemory,
         Scope::kInfer),
    Grpc("/inference.GRPCInferenceService/CudaSharedMemoryRegister", Api::kSharedMemory,
         Scope::kManage, RouteKind::kControl, 0, kChanges),
    Grpc("/inference.GRPCInferenceService/CudaSharedMemoryUnregister", Api::kSharedMemory,
         Scope::kManage, RouteKind::kControl, 0, kChanges),
    Grpc("/inference.GRPCInferenceService/TraceSetting", Api::kTrace, Scope::kManage,
         RouteKind::kControl, 2, kChanges),
    Grpc("/inference.GRPCInferenceService/LogSettings", Api::kLogging, Scope::kManage,
         RouteKind::kControl, 0, kChanges),
};

constexpr bool EveryRowHasAPolicy() {
  return std::ranges::all_of(kRows, [](const RouteRow& row) {
    return row.api != Api::kNone && row.scope != Scope::kNone && row.kind != RouteKind::kUnknown &&
           row.methods != 0 && !row.pattern.empty();
  });
}
static_assert(EveryRowHasAPolicy(), "a route without a category, a scope or a method");

}  // namespace

std::span<const RouteRow> RouteTable() { return kRows; }

std::string_view ApiName(Api api) {
  static constexpr std::string_view kNames[] = {
      "none",         "health",           "metadata",   "inference", "shared-memory",
      "model-config", "model-repository", "statistics", "trace",     "logging",
      "docs",         "metrics",          "management"};
  static_assert(std::size(kNames) == static_cast<size_t>(Api::kCount));
  return kNames[static_cast<size_t>(api)];
}

std::string_view ScopeName(Scope scope) {
  static constexpr std::string_view kNames[] = {"none", "infer", "manage", "metrics", "public"};
  return kNames[static_cast<size_t>(scope)];
}

std::string_view ServiceName(Service service) {
  static constexpr std::string_view kNames[] = {"http",      "grpc",      "metrics",
                                                "sagemaker", "vertex-ai", "management"};
  return kNames[static_cast<size_t>(service)];
}

}  // namespace serving::frontend
