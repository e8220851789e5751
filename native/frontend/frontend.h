// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "device/host_pool.h"
#include "engine/engine.h"
#include "frontend/access_log.h"
#include "frontend/control_call.h"
#include "frontend/load_meter.h"
#include "frontend/mailbox.h"
#include "metrics/host_metrics.h"
#include "net/server.h"
#include "protocol/content_coding.h"
#include "protocol/response_writer.h"
#include "trace/record_queue.h"
#include "trace/sampler.h"

namespace serving::frontend {

struct FrontendOptions {
  int io_threads = 1;
  net::Limits limits;
  bool native_infer_path = true;  // false: infer calls go to TypeScript too
  protocol::Real16Json real16_json = protocol::Real16Json::kRefused;
  bool diagnostics_api = false;       // GET /v2/health/details
  bool json_health_bodies = false;    // KServe's bodies instead of Triton's empty ones
  size_t max_input_bytes = 64 << 20;  // --http-max-input-size
  // --grpc-infer-response-compression-level
  protocol::CompressionLevel grpc_answer_level = protocol::CompressionLevel::kNone;
  // --grpc-max-response-pool-size
  size_t max_stream_responses = SIZE_MAX;
  std::string access_log;         // file, "-" = standard output, empty = none
  uint64_t access_log_every = 1;  // a line for every so-manyth request
  bool server_timing = false;     // Server-Timing header on HTTP infer answers
  // Reports of load in infer and generate answers: nothing = never, kNone = to those who ask, else
  // in every answer.
  std::optional<LoadForm> load_reports;
  base::Nanoseconds control_timeout = std::chrono::seconds(30);
};

// The composition of net, protocol and engine: I/O threads with their handlers, the published
// table, control calls to and from TypeScript, the metrics page.
//
// Threads: all functions on the owner's thread, except those marked.
class Frontend {
 public:
  Frontend(const FrontendOptions& options, engine::Engine& engine, ControlPort& control);
  ~Frontend();

  // Starts the I/O threads with the first listener.
  base::Result<net::Listening> Listen(const net::ListenerOptions& options);
  void StopListening();
  // Ends connections and I/O threads. Answers that come later are thrown away. Idempotent.
  void Stop();

  // Waits until no request is open; false after `timeout`. Any thread.
  bool Drain(base::Nanoseconds timeout);

  // Swaps the table on every I/O thread; `seen` is called once, on any thread, when the last one
  // has it and has submitted what it had read under the old one.
  void Publish(engine::DispatchTableRef table, std::function<void()> seen);

  // The same for the tracing plan; null = trace nothing.
  void SetTracing(trace::PlanRef plan, std::function<void()> seen);
  // Records of requests that have ended. Any thread.
  trace::RecordQueue& traces() { return traces_; }
  // Null when none is written.
  AccessLog* access_log() { return access_log_.get(); }
  // Null when answers carry no reports of load.
  LoadMeter* load_meter() { return load_meter_.get(); }
  // The same for the policy. Threads that start later have it from the start.
  void SetPolicy(PolicyRef policy, std::function<void()> seen);

  // The same for what the SageMaker and the Vertex AI port lead to.
  void SetAliases(RouteAliasesRef aliases, std::function<void()> seen);

  // Any thread. A token that is not waiting any more is ignored.
  void Reply(CallToken token, std::unique_ptr<ControlReply> reply);

  // Any thread.
  void SetMetricsText(std::string text);
  std::string RenderMetrics();

  // Members of the JSON object of /v2/health/details that TypeScript knows (nothing = those of
  // before), and the word that its loop turns. Any thread.
  void SetHealthDetails(std::optional<std::string> members);
  std::string RenderHealthDetails(const engine::DispatchTable& table);

  // Requests from their head to the last byte of their answer. Any thread.
  size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  size_t connections() const { return server_ ? server_->connections() : 0; }

  struct Memory {
    size_t request_bytes = 0;  // bodies of requests and what was read from them
    size_t idle_bytes = 0;     // kept for requests to come
  };
  // Of the I/O threads. Any thread.
  Memory memory();
  // Gives memory back to the system if little of it was used since the last call, or a model was
  // unloaded; false = nothing was to be done. Blocks shortly; not on an I/O thread. One caller at a
  // time.
  bool TrimMemory();

  // For the I/O threads' handlers.
  const FrontendOptions& options() const { return options_; }
  engine::Engine& engine() { return engine_; }
  ControlPort& control() { return control_; }
  void CountOpened() { in_flight_.fetch_add(1); }
  void CountClosed();
  PolicyRef policy();
  trace::PlanRef tracing();
  RouteAliasesRef aliases();
  void Attach(int thread_index, base::Ref<Mailbox> mailbox, base::Ref<device::HostPool> pool);

 private:
  base::Status StartThreads();
  void NotifyThreads(const TableNotice& notice, std::function<void()> seen);

  const FrontendOptions options_;
  engine::Engine& engine_;
  ControlPort& control_;
  std::atomic<size_t> in_flight_{0};
  std::atomic<bool> is_draining_{false};
  std::mutex drain_mutex_;
  std::condition_variable drained_;
  std::mutex mutex_;
  std::vector<base::Ref<Mailbox>> mailboxes_;       // by thread; guarded by mutex_
  std::vector<base::Ref<device::HostPool>> pools_;  // by thread; guarded by mutex_
  trace::PlanRef tracing_;                          // guarded by mutex_
  trace::RecordQueue traces_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<LoadMeter> load_meter_;
  PolicyRef policy_;                           // guarded by mutex_
  RouteAliasesRef aliases_;                    // guarded by mutex_
  std::string metrics_text_;                   // guarded by mutex_
  std::string health_details_;                 // guarded by mutex_
  std::optional<base::Instant> heard_at_;      // from TypeScript; guarded by mutex_
  metrics::HostMetrics host_metrics_;          // guarded by mutex_
  std::atomic<size_t> metrics_page_bytes_{0};  // of the last page
  size_t left_by_allocator_ = 0;               // free bytes of the allocator after the last trim
  std::atomic<bool> is_stopped_{false};
  std::unique_ptr<net::Server> server_;
};

CallToken MakeToken(int thread, uint32_t generation, uint32_t slot);

}  // namespace serving::frontend
