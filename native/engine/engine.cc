// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/engine.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace serving::engine {

Engine::Engine(const EngineOptions& options)
    : options_(options),
      budget_(std::make_shared<base::MemoryBudget>(options.memory_limit_bytes)),
      regions_(options.allow_client_memory ? std::make_unique<shm::RegionRegistry>() : nullptr),
      table_(base::MakeRef<DispatchTable>()) {}

Engine::~Engine() { Stop(); }

void Engine::Stop() {
  std::map<ModelHandle, base::Ref<model::Model>> models;
  DispatchTableRef table = base::MakeRef<DispatchTable>();
  {
    std::lock_guard lock(mutex_);
    models.swap(models_);
    std::swap(table_, table);
  }
  for (auto& [handle, model] : models) model->Stop();
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

base::Result<ModelHandle> Engine::Load(core::ModelPlan plan) {
  ASSIGN_OR_RETURN(backend::Backend * backend, FindBackend(plan.backend));
  ASSIGN_OR_RETURN(auto model, model::Model::Load(std::move(plan), *backend,
                                                  {.budget = budget_,
                                                   .allow_inline = options_.allow_inline,
                                                   .metrics = options_.metrics}));
  std::lock_guard lock(mutex_);
  const ModelHandle handle = next_handle_++;
  models_.emplace(handle, std::move(model));
  return handle;
}

base::Status Engine::Unload(ModelHandle handle) {
  base::Ref<model::Model> model;
  {
    std::lock_guard lock(mutex_);
    const auto found = models_.find(handle);
    if (found == models_.end()) {
      return base::NotFound("no loaded model has handle " + std::to_string(handle));
    }
    model = std::move(found->second);
    models_.erase(found);
  }
  model->Stop();
  return {};
}

base::Ref<model::Model> Engine::Find(ModelHandle handle) const {
  std::lock_guard lock(mutex_);
  const auto found = models_.find(handle);
  return found == models_.end() ? nullptr : found->second;
}

DispatchTableRef Engine::table() const {
  std::lock_guard lock(mutex_);
  return table_;
}

void Engine::SetTable(DispatchTableRef table) {
  std::lock_guard lock(mutex_);
  std::swap(table_, table);
}

std::vector<Engine::NamedSample> Engine::Snapshot() const {
  std::vector<NamedSample> samples;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [handle, model] : models_) samples.push_back({model, {}});
  }
  for (NamedSample& sample : samples) sample.statistics = sample.model->Statistics();
  std::ranges::sort(samples, {}, [](const NamedSample& sample) {
    return std::tie(sample.model->plan().name, sample.model->plan().version);
  });
  return samples;
}

}  // namespace serving::engine
