// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "cache/cached_model.h"
#include "engine/dispatch_table.h"
#include "ensemble/ensemble.h"
#include "metrics/metrics_options.h"
#include "metrics/model_statistics.h"
#include "model/model.h"
#include "model/queue_timers.h"
#include "shm/region_registry.h"

namespace serving::engine {

// The loaded versions that the steps of a loaded ensemble use.
struct EnsembleSteps {
  ModelHandle ensemble = 0;
  std::vector<ModelHandle> models;  // one for each step
};

struct EngineOptions {
  size_t memory_limit_bytes = 0;
  bool allow_inline = true;
  metrics::MetricsOptions metrics{};
  bool allow_client_memory = false;                         // --allow-client-shm
  size_t response_cache_bytes = 0;                          // --cache-config; 0 = there is none
  std::vector<scheduler::ResourceLimit> resource_limits{};  // --rate-limit-resource
};

// Keeps backends, loaded versions and the published table. Knows no protocol and no socket.
//
// Threads: every function from any thread; Load and Unload block (a model file is read, requests
// are waited for).
class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  ~Engine();

  // Before anything is loaded. The composition root names the backends; the engine includes none.
  void Register(std::unique_ptr<backend::Backend> backend);

  base::Result<backend::Inspection> Inspect(std::string_view backend,
                                            const std::string& model_file);
  base::Result<ModelHandle> Load(core::ModelPlan plan);
  // After a table without the version has been published and seen: waits for its last request and
  // for the requests to ensembles that began with it, then destroys it.
  base::Status Unload(ModelHandle handle);
  // Gives loaded versions other numbers of instances and other limits while they serve: plans as of
  // Load that differ in nothing else. All of them, or none when one cannot be. Blocks while
  // instances are built, and until those that go have ended their batches.
  struct Adjustment {
    ModelHandle handle = 0;
    core::ModelPlan plan;
  };
  base::Status Adjust(std::vector<Adjustment> adjustments);
  // Null for a handle that is not loaded.
  base::Ref<model::Servable> Find(ModelHandle handle) const;

  DispatchTableRef table() const;
  // Ensembles of the table use its models from now on.
  void SetTable(DispatchTableRef table);
  // Every reader has the table: ensembles that are not in it let go of their models.
  void Settle();

  // For a table. An ensemble may be a step of another if both are named.
  base::Result<std::vector<BoundEnsemble>> Bind(const std::vector<EnsembleSteps>& ensembles) const;

  struct NamedSample {
    ModelHandle handle = 0;
    base::Ref<model::Servable> model;
    metrics::ModelStatistics statistics;
  };
  // Every loaded version, by name and version; of two builds of one the older first.
  std::vector<NamedSample> Snapshot() const;

  // Memory that models keep for batches to come goes back to the system. Any thread; blocks
  // shortly.
  void TrimModels();
  // An unload since the last call has left memory behind.
  bool TakeUnloaded() { return has_unloaded_.exchange(false); }

  // Called on any thread when a model can serve no longer, or can again; no lock is held but the
  // one that makes the caller wait for a call under way. Null = nobody listens.
  void SetHealthListener(std::function<void()> listener);

  // Lets every request end and joins every thread; nothing may be submitted after it. Blocks.
  // Idempotent.
  void Stop();

  const std::shared_ptr<base::MemoryBudget>& budget() const { return budget_; }
  const metrics::MetricsOptions& metrics_options() const { return options_.metrics; }
  // Shared memory of clients; null while it is switched off.
  shm::RegionRegistry* regions() const { return regions_.get(); }

 private:
  struct Loaded {
    base::Ref<model::Servable> model;
    ensemble::Ensemble* ensemble = nullptr;  // behind it, if it is one
    base::Ref<ensemble::Hold> hold;
    std::shared_ptr<ensemble::Hold::Gone> released;  // nobody but the engine uses it any more
  };
  using Bindings = std::map<ModelHandle, base::Ref<const ensemble::Binding>>;

  void OnHealthChanged();
  base::Result<backend::Backend*> FindBackend(std::string_view name) const;
  base::Result<Loaded> Build(core::ModelPlan plan);
  base::Result<base::Ref<const ensemble::Binding>> BindLocked(
      ModelHandle handle, const std::map<ModelHandle, const EnsembleSteps*>& ensembles,
      Bindings& done) const;

  const EngineOptions options_;
  std::atomic<bool> has_unloaded_{false};
  const std::shared_ptr<base::MemoryBudget> budget_;
  const std::shared_ptr<model::RateLimiter> rate_limiter_;
  const std::unique_ptr<shm::RegionRegistry> regions_;
  const std::shared_ptr<cache::ResponseCache> cache_;  // null: there is none
  std::vector<std::unique_ptr<backend::Backend>> backends_;
  model::QueueTimers timers_;              // of the steps of ensembles
  std::mutex health_mutex_;                // never inside mutex_
  std::function<void()> health_listener_;  // guarded by health_mutex_
  mutable std::mutex mutex_;
  std::map<ModelHandle, Loaded> models_;  // guarded by mutex_
  DispatchTableRef table_;                // guarded by mutex_
  ModelHandle next_handle_ = 1;           // guarded by mutex_
};

}  // namespace serving::engine
