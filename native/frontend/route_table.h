// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace serving::frontend {

// What a listener serves; the tag that net hands back with every request. A route belongs to one.
// The management port has no routes of its own: it answers those of HTTP and gRPC.
enum class Service : uint16_t { kHttp, kGrpc, kMetrics, kSagemaker, kVertexAi, kManagement };

// Patterns of the two routes whose paths the environment names.
inline constexpr std::string_view kVertexAiHealth = "$AIP_HEALTH_ROUTE";
inline constexpr std::string_view kVertexAiPredict = "$AIP_PREDICT_ROUTE";

enum class RouteKind : uint8_t {
  kUnknown,         // no route of ours: answered here, never handed to TypeScript
  kControl,         // TypeScript answers
  kInfer,           // /v2/models/{m}[/versions/{v}]/infer, ModelInfer
  kGenerate,        // /v2/models/{m}[/versions/{v}]/generate
  kGenerateStream,  // …/generate_stream
  kLive,            // health, answered from the dispatch table
  kReady,
  kModelReady,
  kHealthDetails,
  kHealthCheck,  // grpc.health.v1
  kHealthWatch,
  kStreamInfer,  // ModelStreamInfer
  kReflection,   // grpc.reflection: TypeScript answers, message by message
  kMetrics,
  kNothing,  // metrics port, any other path: 200 and an empty body, as Triton
};

// The categories of --http-restricted-api and --grpc-restricted-protocol, then ours.
enum class Api : uint8_t {
  kNone,
  kHealth,
  kMetadata,
  kInference,
  kSharedMemory,
  kModelConfig,
  kModelRepository,
  kStatistics,
  kTrace,
  kLogging,
  kDocs,
  kMetrics,
  kManagement,
  kCount,
};

// What a key or token must have been given to use a route.
enum class Scope : uint8_t { kNone, kInfer, kManage, kMetrics, kPublic };

using Methods = uint8_t;
inline constexpr Methods kGet = 1;
inline constexpr Methods kPost = 2;
inline constexpr Methods kPut = 4;
inline constexpr Methods kDelete = 8;

// One route and all that is decided about it before anybody looks at the request's body.
struct RouteRow {
  Service service;
  Methods methods;
  // Literal text; `{m}` a model's name and `{r}` another name (anything but '/'), `{v}` digits;
  // `[…]` may be left out. `*` alone: every path.
  std::string_view pattern;
  RouteKind kind;
  Api api;
  Scope scope;
  bool changes_state = false;
  // gRPC: field of the request message that names the model, 0 = none.
  uint8_t model_field = 0;
};

// Every route there is. A path that no row matches is answered with 404 or UNIMPLEMENTED on the
// I/O thread, so what has no row cannot be reached.
std::span<const RouteRow> RouteTable();

std::string_view ApiName(Api api);
std::string_view ScopeName(Scope scope);
std::string_view ServiceName(Service service);

// Answers on the management port only, when there is one.
constexpr bool IsManagement(const RouteRow& row) {
  return row.changes_state || row.api == Api::kModelRepository || row.api == Api::kSharedMemory ||
         row.api == Api::kTrace || row.api == Api::kLogging || row.api == Api::kManagement;
}

}  // namespace serving::frontend
