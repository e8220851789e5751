// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/engine.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/validate.h"
#include "model/sequence_model.h"
#include "model/splitter.h"

namespace serving::engine {

Engine::Engine(const EngineOptions& options)
    : options_(options),
      budget_(std::make_shared<base::MemoryBudget>(options.memory_limit_bytes)),
      rate_limiter_(std::make_shared<model::RateLimiter>(options.resource_limits)),
      regions_(options.allow_client_memory ? std::make_unique<shm::RegionRegistry>() : nullptr),
      cache_(options.response_cache_bytes == 0
                 ? nullptr
                 : std::make_shared<cache::ResponseCache>(options.response_cache_bytes)),
      table_(base::MakeRef<DispatchTable>()) {}

Engine::~Engine() { Stop(); }

void Engine::Stop() {
  std::map<ModelHandle, Loaded> models;
  DispatchTableRef table = base::MakeRef<DispatchTable>();
  {
    std::lock_guard lock(mutex_);
    models.swap(models_);
    std::swap(table_, table);
  }
  for (const auto& [handle, loaded] : models) loaded.model->Unblock();
  // What sends requests to others ends first.
  for (auto loaded = models.rbegin(); loaded != models.rend(); ++loaded) {
    if (loaded->second.ensemble == nullptr) continue;
    loaded->second.model->Stop();
    loaded->second.ensemble->Bind(nullptr);
  }
  for (auto& [handle, loaded] : models) {
    if (loaded.ensemble == nullptr) loaded.model->Stop();
  }
}

void Engine::Register(std::unique_ptr<backend::Backend> backend) {
  backends_.push_back(std::move(backend));
}

base::Result<backend::Backend*> Engine::FindBackend(std::string_view name) const {
  std::string known;
  for (const auto& backend : backends_) {
    if (backend->name() == name) return backend.get();
    known.append(known.empty() ? "'" : ", '").append(backend->name()).append("'");
  }
  return base::InvalidArgument("unable to find backend library for backend '" + std::string(name) +
                               "': this server has " + known);
}

base::Result<backend::Inspection> Engine::Inspect(std::string_view name,
                                                  const std::string& model_file) {
  ASSIGN_OR_RETURN(backend::Backend * backend, FindBackend(name));
  return backend->Inspect(model_file);
}

base::Result<Engine::Loaded> Engine::Build(core::ModelPlan plan) {
  Loaded loaded;
  loaded.released = std::make_shared<ensemble::Hold::Gone>();
  loaded.hold = base::MakeRef<ensemble::Hold>(loaded.released);
  if (plan.ensemble) {
    RETURN_IF_ERROR(timers_.Start());
    auto made = base::MakeRef<ensemble::Ensemble>(
        std::move(plan),
        ensemble::EnsembleOptions{.budget = budget_, .validate = &Validate, .timers = &timers_});
    loaded.ensemble = made.get();
    loaded.model = std::move(made);
    return loaded;
  }
  ASSIGN_OR_RETURN(backend::Backend * backend, FindBackend(plan.backend));
  const model::ModelOptions options{.budget = budget_,
                                    .allow_inline = options_.allow_inline,
                                    .metrics = options_.metrics,
                                    .rate_limiter = rate_limiter_,
                                    .validate = &Validate,
                                    .health_changed = [this] { OnHealthChanged(); }};
  if (plan.sequence) {
    ASSIGN_OR_RETURN(loaded.model, model::SequenceModel::Load(std::move(plan), *backend, options));
    return loaded;
  }
  ASSIGN_OR_RETURN(base::Ref<model::Model> model,
                   model::Model::Load(std::move(plan), *backend, options));
  if (model->plan().max_request_rows > 0) {
    loaded.model = base::MakeRef<model::Splitter>(std::move(model), budget_);
  } else {
    loaded.model = std::move(model);
  }
  return loaded;
}

base::Result<ModelHandle> Engine::Load(core::ModelPlan plan) {
  ASSIGN_OR_RETURN(Loaded loaded, Build(std::move(plan)));
  if (cache_ && cache::MayCache(loaded.model->plan())) {
    loaded.model = cache::MakeCachedModel(std::move(loaded.model), cache_, options_.metrics);
  }
  std::lock_guard lock(mutex_);
  const ModelHandle handle = next_handle_++;
  models_.emplace(handle, std::move(loaded));
  return handle;
}

base::Status Engine::Unload(ModelHandle handle) {
  Loaded loaded;
  {
    std::lock_guard lock(mutex_);
    const auto found = models_.find(handle);
    if (found == models_.end()) {
      return base::NotFound("no loaded model has handle " + std::to_string(handle));
    }
    loaded = std::move(found->second);
    models_.erase(found);
  }
  loaded.model->Unblock();
  loaded.hold.Reset();
  loaded.released->Wait();
  loaded.model->Stop();
  if (loaded.ensemble != nullptr) loaded.ensemble->Bind(nullptr);
  has_unloaded_ = true;
  return {};
}

base::Status Engine::Adjust(std::vector<Adjustment> adjustments) {
  // Each change keeps others of its version out, so that two calls must not take them crosswise.
  std::ranges::sort(adjustments, {}, &Adjustment::handle);
  std::vector<std::unique_ptr<model::Change>> changes;
  for (auto& [handle, plan] : adjustments) {
    const base::Ref<model::Servable> model = Find(handle);
    if (!model) return base::NotFound("no loaded model has handle " + std::to_string(handle));
    ASSIGN_OR_RETURN(auto change, model->PrepareChange(std::move(plan)));
    changes.push_back(std::move(change));
  }
  for (const auto& change : changes) change->Apply();
  has_unloaded_ = true;  // instances may be gone
  return {};
}

base::Ref<model::Servable> Engine::Find(ModelHandle handle) const {
  std::lock_guard lock(mutex_);
  const auto found = models_.find(handle);
  return found == models_.end() ? nullptr : found->second.model;
}

base::Result<std::vector<BoundEnsemble>> Engine::Bind(
    const std::vector<EnsembleSteps>& ensembles) const {
  std::map<ModelHandle, const EnsembleSteps*> by_handle;
  for (const EnsembleSteps& steps : ensembles) by_handle.emplace(steps.ensemble, &steps);
  Bindings done;
  std::vector<BoundEnsemble> bound;
  std::lock_guard lock(mutex_);
  for (const EnsembleSteps& steps : ensembles) {
    ASSIGN_OR_RETURN(auto binding, BindLocked(steps.ensemble, by_handle, done));
    bound.push_back(
        {base::Ref<ensemble::Ensemble>::Share(models_.at(steps.ensemble).ensemble), binding});
  }
  return bound;
}

base::Result<base::Ref<const ensemble::Binding>> Engine::BindLocked(
    ModelHandle handle, const std::map<ModelHandle, const EnsembleSteps*>& ensembles,
    Bindings& done) const {
  const auto [entry, is_new] = done.emplace(handle, nullptr);
  if (!is_new) {
    if (entry->second) return entry->second;
    return base::InvalidArgument("an ensemble is a step of itself");
  }
  const auto steps = ensembles.find(handle);
  const auto found = models_.find(handle);
  if (steps == ensembles.end() || found == models_.end() || found->second.ensemble == nullptr) {
    return base::InvalidArgument("handle " + std::to_string(handle) + " is no ensemble to bind");
  }
  std::vector<ensemble::Member> members;
  for (const ModelHandle model : steps->second->models) {
    const auto member = models_.find(model);
    if (member == models_.end()) {
      return base::InvalidArgument("no loaded model has handle " + std::to_string(model));
    }
    const Loaded& loaded = member->second;
    ensemble::Member& bound = members.emplace_back();
    bound.hold = loaded.hold;
    bound.model = loaded.model;
    bound.ensemble = loaded.ensemble;
    if (bound.ensemble == nullptr) continue;
    ASSIGN_OR_RETURN(bound.binding, BindLocked(model, ensembles, done));
  }
  ASSIGN_OR_RETURN(entry->second,
                   ensemble::Binding::Make(found->second.model->plan(), std::move(members)));
  return entry->second;
}

void Engine::TrimModels() {
  std::vector<base::Ref<model::Servable>> models;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [handle, loaded] : models_) models.push_back(loaded.model);
  }
  for (const auto& model : models) model->Trim();
}

void Engine::SetHealthListener(std::function<void()> listener) {
  std::lock_guard lock(health_mutex_);
  health_listener_ = std::move(listener);
}

void Engine::OnHealthChanged() {
  has_unloaded_ = true;  // an instance may be gone
  std::lock_guard lock(health_mutex_);
  if (health_listener_) health_listener_();
}

DispatchTableRef Engine::table() const {
  std::lock_guard lock(mutex_);
  return table_;
}

void Engine::SetTable(DispatchTableRef table) {
  for (const BoundEnsemble& bound : table->ensembles) bound.ensemble->Bind(bound.binding);
  std::lock_guard lock(mutex_);
  std::swap(table_, table);
}

void Engine::Settle() {
  std::vector<base::Ref<ensemble::Ensemble>> unused;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [handle, loaded] : models_) {
      if (loaded.ensemble == nullptr) continue;
      const bool is_used = std::ranges::any_of(table_->ensembles, [&](const BoundEnsemble& bound) {
        return bound.ensemble.get() == loaded.ensemble;
      });
      if (!is_used) unused.push_back(base::Ref<ensemble::Ensemble>::Share(loaded.ensemble));
    }
  }
  for (const auto& ensemble : unused) ensemble->Bind(nullptr);
}

std::vector<Engine::NamedSample> Engine::Snapshot() const {
  std::vector<NamedSample> samples;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [handle, loaded] : models_) samples.push_back({handle, loaded.model, {}});
  }
  for (NamedSample& sample : samples) sample.statistics = sample.model->Statistics();
  std::ranges::stable_sort(samples, {}, [](const NamedSample& sample) {
    const core::ModelPlan& plan = sample.model->plan();
    return std::tie(plan.name, plan.version, plan.metric_tags);
  });
  return samples;
}

}  // namespace serving::engine
