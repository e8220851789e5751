// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/options_reader.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "addon/keepalive_reader.h"
#include "addon/tls_reader.h"
#include "base/thread.h"

namespace serving::addon {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxIoThreads = 4;

frontend::Service ServiceOf(std::string_view name, bool allow_http1) {
  using frontend::Service;
  // A gRPC port that speaks HTTP/1.1 too offers what the HTTP port offers.
  if (name == "grpc") return allow_http1 ? Service::kHttp : Service::kGrpc;
  for (const Service service :
       {Service::kMetrics, Service::kManagement, Service::kSagemaker, Service::kVertexAi}) {
    if (frontend::ServiceName(service) == name) return service;
  }
  return Service::kHttp;
}

}  // namespace

std::vector<scheduler::ResourceLimit> ReadResourceLimits(ObjectReader& options) {
  std::vector<scheduler::ResourceLimit> limits;
  options.ForEach("resourceLimits", [&](Napi::Value value) {
    ObjectReader reader(value, "resourceLimit");
    scheduler::ResourceLimit& limit = limits.emplace_back();
    limit.name = reader.Text("name");
    limit.count = static_cast<uint64_t>(std::max<int64_t>(reader.Integer("count"), 0));
    if (reader.Has("device")) limit.device = reader.Integer("device");
    options.Merge(reader.status());
  });
  return limits;
}

base::LogOptions ReadLogOptions(ObjectReader& reader) {
  base::LogOptions log;
  log.verbose = static_cast<int>(reader.Integer("logVerbose"));
  log.info = reader.Bool("logInfo");
  log.warning = reader.Bool("logWarning");
  log.error = reader.Bool("logError");
  log.file = reader.Text("logFile");
  log.format =
      reader.Text("logFormat") == "ISO8601" ? base::LogFormat::kIso8601 : base::LogFormat::kDefault;
  return log;
}

frontend::FrontendOptions ReadFrontendOptions(ObjectReader& reader) {
  frontend::FrontendOptions options;
  const int64_t threads = reader.Integer("ioThreads");
  options.io_threads = threads > 0 ? static_cast<int>(std::min<int64_t>(threads, 8))
                                   : std::min(kMaxIoThreads, base::AllowedCpus());
  options.native_infer_path = reader.Text("inferPath") == "native";
  options.diagnostics_api = reader.Bool("diagnosticsApi");
  options.json_health_bodies = reader.Bool("jsonHealthBodies");
  if (reader.Bool("real16Json")) options.real16_json = protocol::Real16Json::kTaken;
  options.max_input_bytes = static_cast<size_t>(reader.Integer("httpMaxInputBytes"));
  const int64_t responses = reader.Integer("grpcMaxResponsePoolSize");
  options.max_stream_responses =
      responses < INT32_MAX ? static_cast<size_t>(std::max<int64_t>(responses, 1)) : SIZE_MAX;
  const auto level =
      protocol::ParseCompressionLevel(reader.Text("grpcInferResponseCompressionLevel"));
  if (!level) reader.Fail("grpcInferResponseCompressionLevel", "none, low, medium or high");
  options.grpc_answer_level = level.value_or(protocol::CompressionLevel::kNone);
  options.access_log = reader.Text("accessLog");
  options.access_log_every =
      static_cast<uint64_t>(std::max<int64_t>(1, reader.Integer("accessLogEvery")));
  options.server_timing = reader.Bool("serverTiming");
  const std::string load_reports = reader.Text("orcaLoadMetrics");
  if (load_reports != "off") {
    const auto form = frontend::ParseLoadForm(load_reports);
    if (!form && load_reports != "asked") {
      reader.Fail("orcaLoadMetrics", "off, asked, text, json, bin, plain-text or plain-json");
    }
    options.load_reports = form.value_or(frontend::LoadForm::kNone);
  }
  options.control_timeout = milliseconds(reader.Integer("controlTimeoutMs"));
  net::Limits& limits = options.limits;
  limits.max_header_bytes = static_cast<size_t>(reader.Integer("maxHeaderBytes"));
  limits.keeps_header_names = reader.Bool("keepHeaderNames");
  limits.max_connections = static_cast<size_t>(reader.Integer("maxConnections"));
  limits.max_streams_per_connection =
      static_cast<uint32_t>(reader.Integer("maxStreamsPerConnection"));
  limits.idle_timeout = milliseconds(reader.Integer("idleTimeoutMs"));
  limits.body_timeout = milliseconds(reader.Integer("bodyTimeoutMs"));
  limits.write_timeout = limits.body_timeout;
  limits.head_timeout = milliseconds(reader.Integer("headTimeoutMs"));
  limits.min_body_bytes_per_second = static_cast<size_t>(reader.Integer("minBodyBytesPerSecond"));
  return options;
}

metrics::MetricsOptions ReadMetricsOptions(ObjectReader& engine) {
  ObjectReader reader(engine.Get("metrics"), "options.metrics");
  metrics::MetricsOptions options;
  options.counter_latencies = reader.Bool("counterLatencies");
  options.histogram_latencies = reader.Bool("histogramLatencies");
  options.summary_latencies = reader.Bool("summaryLatencies");
  options.summary_quantiles = reader.Numbers("summaryQuantiles");
  options.extended = reader.Bool("extended");
  options.cpu_metrics = reader.Bool("cpu");
  options.host_interval = milliseconds(reader.Integer("hostIntervalMs"));
  options.pinned_memory_pool_bytes = static_cast<uint64_t>(reader.Integer("pinnedMemoryPoolBytes"));
  engine.Merge(reader.status());
  return options;
}

net::ListenerOptions ReadListenerOptions(ObjectReader& reader) {
  net::ListenerOptions options;
  options.host = reader.Text("host");
  const int64_t port = reader.Integer("port");
  if (port < 0 || port > 65535) reader.Fail("port", "0 to 65535");
  options.port = static_cast<uint16_t>(port);
  const std::string service = reader.Text("service");
  const auto protocols = reader.Texts("protocols");
  options.allow_http1 = std::ranges::find(protocols, "http1") != protocols.end();
  options.allow_http2 = std::ranges::find(protocols, "http2") != protocols.end();
  options.service = static_cast<uint16_t>(ServiceOf(service, options.allow_http1));
  options.reuse_port = reader.Bool("reusePort");
  if (reader.Has("keepalive") && reader.status().ok()) {
    ObjectReader keepalive(reader.Get("keepalive"), "listen.keepalive");
    options.keepalive = ReadKeepalive(keepalive);
    reader.Merge(keepalive.status());
  }
  if (reader.Has("tls") && reader.status().ok()) {
    ObjectReader tls_reader(reader.Get("tls"), "listen.tls");
    net::TlsOptions tls = ReadTls(tls_reader);
    tls.offers_http1 = options.allow_http1;
    tls.offers_http2 = options.allow_http2;
    reader.Merge(tls_reader.status());
    if (reader.status().ok()) {
      auto context = net::TlsContext::Make(tls);
      reader.Merge(context.status());
      if (context.ok()) options.tls = context.Take();
    }
  }
  return options;
}

}  // namespace serving::addon
