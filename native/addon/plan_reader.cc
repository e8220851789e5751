// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/plan_reader.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "addon/sequence_reader.h"
#include "addon/values.h"
#include "addon/warmup_reader.h"
#include "scheduler/ageing.h"
#include "tensor/data_type.h"

namespace serving::addon {
namespace {

constexpr int64_t kMaxInstances = 1024;

base::StatusCode ToCode(int64_t number) {
  return number > 0 && number <= 16 ? static_cast<base::StatusCode>(number)
                                    : base::StatusCode::kInternal;
}

core::PaddingPlan ReadPadding(ObjectReader& tensor, size_t rank) {
  ObjectReader reader(tensor.Get("padding"), "tensor.padding");
  core::PaddingPlan padding;
  const int64_t axis = reader.Integer("axis");
  padding.buckets = reader.Integers("buckets");
  padding.value = reader.Number("value");
  padding.max_waste_percent = reader.Integer("maxWastePercent");
  if (axis < 0 || static_cast<uint64_t>(axis) >= rank) reader.Fail("axis", "a dimension");
  padding.axis = static_cast<uint32_t>(axis);
  if (padding.buckets.empty() || padding.buckets[0] < 1 ||
      !std::ranges::is_sorted(padding.buckets)) {
    reader.Fail("buckets", "sizes above 0, ascending");
  }
  if (padding.max_waste_percent < 1 || padding.max_waste_percent > 99) {
    reader.Fail("maxWastePercent", "1 to 99");
  }
  tensor.Merge(reader.status());
  return padding;
}

core::UnpaddingPlan ReadUnpadding(ObjectReader& tensor, size_t rank) {
  ObjectReader reader(tensor.Get("unpadding"), "tensor.unpadding");
  const int64_t axis = reader.Integer("axis");
  const int64_t input = reader.Integer("input");
  if (axis < 0 || static_cast<uint64_t>(axis) >= rank) reader.Fail("axis", "a dimension");
  tensor.Merge(reader.status());
  return {.axis = static_cast<uint32_t>(axis),
          .input = static_cast<uint32_t>(std::clamp<int64_t>(input, 0, UINT32_MAX))};
}

base::Result<core::TensorPlan> ReadTensor(Napi::Value value) {
  ObjectReader reader(value, "tensor");
  core::TensorPlan plan;
  plan.tensor.name = reader.Text("name");
  const std::string type_name = reader.Text("datatype");
  const auto dims = reader.Integers("dims");
  plan.optional = reader.Bool("optional");
  plan.labels = reader.Texts("labels");
  RETURN_IF_ERROR(reader.status());
  const auto type = tensor::ParseWireName(type_name);
  if (!type) return base::InvalidArgument("tensor.datatype: unknown type '" + type_name + "'");
  plan.tensor.data_type = *type;
  ASSIGN_OR_RETURN(plan.tensor.dims, ToShape(dims));
  if (reader.Has("reshape")) {
    const auto reshape = reader.Integers("reshape");
    RETURN_IF_ERROR(reader.status());
    ASSIGN_OR_RETURN(plan.reshape, ToShape(reshape));
  }
  plan.is_ragged = reader.Has("ragged") && reader.Bool("ragged");
  if (reader.Has("scatteredBy")) {
    const int64_t slot = reader.Integer("scatteredBy");
    RETURN_IF_ERROR(reader.status());
    plan.scattered_by = static_cast<uint32_t>(std::clamp<int64_t>(slot, 0, UINT32_MAX));
  }
  const size_t rank = plan.tensor.dims.rank();
  if (reader.Has("padding")) plan.padding = ReadPadding(reader, rank);
  if (reader.Has("unpadding")) plan.unpadding = ReadUnpadding(reader, rank);
  RETURN_IF_ERROR(reader.status());
  return plan;
}

base::Status ReadTensors(ObjectReader& reader, const char* key,
                         std::vector<core::TensorPlan>& tensors) {
  base::Status status;
  reader.ForEach(key, [&](Napi::Value value) {
    if (!status.ok()) return;
    auto tensor = ReadTensor(value);
    if (tensor.ok()) {
      tensors.push_back(tensor.Take());
    } else {
      status = tensor.status();
    }
  });
  return status;
}

core::QueuePolicy ReadQueuePolicy(ObjectReader& reader) {
  return {.max_queue_size = reader.Integer("maxQueueSize"),
          .default_timeout = ToDuration(reader.Integer("defaultTimeoutUs")),
          .allow_timeout_override = reader.Bool("allowTimeoutOverride"),
          .delays_expired = reader.Has("delaysExpired") && reader.Bool("delaysExpired")};
}

void ReadPriorities(ObjectReader& plan, core::QueuePlan& queue) {
  ObjectReader reader(plan.Get("priorities"), "plan.queue.priorities");
  queue.priority_levels = static_cast<uint64_t>(reader.Integer("levels"));
  queue.default_priority_level = static_cast<uint64_t>(reader.Integer("defaultLevel"));
  reader.ForEach("policies", [&](Napi::Value value) {
    ObjectReader policy(value, "plan.queue.priorities.policy");
    queue.level_policies.insert_or_assign(static_cast<uint64_t>(policy.Integer("level")),
                                          ReadQueuePolicy(policy));
    reader.Merge(policy.status());
  });
  if (queue.priority_levels < 1 || queue.default_priority_level < 1 ||
      queue.default_priority_level > queue.priority_levels) {
    reader.Fail("defaultLevel", "one of the levels");
  }
  plan.Merge(reader.status());
}

// After the priorities, which name the levels.
void ReadClasses(ObjectReader& plan, core::QueuePlan& queue) {
  ObjectReader reader(plan.Get("classes"), "plan.queue.classes");
  queue.classes = {.ageing = ToDuration(reader.Integer("ageingUs")),
                   .max_queue_size = reader.Integer("maxQueueSize")};
  if (queue.priority_levels != scheduler::kClasses)
    reader.Fail("priorities", "a level for each class");
  plan.Merge(reader.status());
}

core::QueuePlan ReadQueue(ObjectReader& plan) {
  ObjectReader reader(plan.Get("queue"), "plan.queue");
  core::QueuePlan queue;
  static_cast<core::QueuePolicy&>(queue) = ReadQueuePolicy(reader);
  queue.full_status = reader.Text("fullStatus") == "ResourceExhausted"
                          ? base::StatusCode::kResourceExhausted
                          : base::StatusCode::kUnavailable;
  queue.max_queue_bytes = static_cast<uint64_t>(reader.IntegerOr("maxQueueBytes", 0));
  queue.predicts_wait = reader.Has("predictsWait") && reader.Bool("predictsWait");
  if (reader.Has("priorities")) ReadPriorities(reader, queue);
  if (reader.Has("classes")) ReadClasses(reader, queue);
  plan.Merge(reader.status());
  return queue;
}

core::BatchingPlan ReadBatching(ObjectReader& plan) {
  ObjectReader reader(plan.Get("batching"), "plan.batching");
  core::BatchingPlan batching;
  batching.preferred_batch_sizes = reader.Integers("preferredBatchSizes");
  std::ranges::sort(batching.preferred_batch_sizes);
  batching.max_queue_delay = ToDuration(reader.Integer("maxQueueDelayUs"));
  batching.preserve_ordering = reader.Bool("preserveOrdering");
  plan.Merge(reader.status());
  return batching;
}

uint32_t ToIndex(ObjectReader& reader, const char* key, int64_t number, size_t count) {
  if (number >= 0 && static_cast<uint64_t>(number) < count) return static_cast<uint32_t>(number);
  reader.Fail(key, "an index into the list it points to");
  return 0;
}

std::vector<uint32_t> ReadIndices(ObjectReader& reader, const char* key, size_t count) {
  std::vector<uint32_t> indices;
  for (const int64_t number : reader.Integers(key)) {
    indices.push_back(ToIndex(reader, key, number, count));
  }
  return indices;
}

std::vector<core::EnsembleStepPlan::Link> ReadLinks(ObjectReader& step, const char* key,
                                                    size_t tensors) {
  std::vector<core::EnsembleStepPlan::Link> links;
  step.ForEach(key, [&](Napi::Value value) {
    ObjectReader reader(value, "plan.ensemble.step.link");
    core::EnsembleStepPlan::Link& link = links.emplace_back();
    link.name = reader.Text("name");
    link.tensor = ToIndex(reader, "tensor", reader.Integer("tensor"), tensors);
    step.Merge(reader.status());
  });
  return links;
}

core::EnsemblePlan ReadEnsemble(ObjectReader& plan, size_t inputs, size_t outputs) {
  ObjectReader reader(plan.Get("ensemble"), "plan.ensemble");
  core::EnsemblePlan ensemble;
  ensemble.tensors = reader.Texts("tensors");
  const size_t tensors = ensemble.tensors.size();
  ensemble.inputs = ReadIndices(reader, "inputs", tensors);
  ensemble.outputs = ReadIndices(reader, "outputs", tensors);
  if (ensemble.inputs.size() != inputs) reader.Fail("inputs", "one tensor for each input");
  if (ensemble.outputs.size() != outputs) reader.Fail("outputs", "one tensor for each output");
  reader.ForEach("steps", [&](Napi::Value value) {
    ObjectReader step(value, "plan.ensemble.step");
    ensemble.steps.push_back({.model = step.Text("model"),
                              .inputs = ReadLinks(step, "inputs", tensors),
                              .outputs = ReadLinks(step, "outputs", tensors)});
    reader.Merge(step.status());
  });
  ensemble.max_inflight_requests = reader.Integer("maxInflightRequests");
  const int64_t bytes = reader.Integer("maxInflightBytes");
  if (bytes < 0) reader.Fail("maxInflightBytes", "0 or more");
  ensemble.max_inflight_bytes = static_cast<size_t>(bytes);
  plan.Merge(reader.status());
  return ensemble;
}

constexpr std::pair<std::string_view, core::BatchInputKind> kBatchInputKinds[] = {
    {"elementCount", core::BatchInputKind::kElementCount},
    {"accumulatedElementCount", core::BatchInputKind::kAccumulatedElementCount},
    {"accumulatedElementCountWithZero", core::BatchInputKind::kAccumulatedElementCountWithZero},
    {"maxElementCountAsShape", core::BatchInputKind::kMaxElementCountAsShape},
    {"itemShape", core::BatchInputKind::kItemShape},
    {"itemShapeFlatten", core::BatchInputKind::kItemShapeFlatten},
};

// Tensors made from the batch, and outputs scattered by an input. Both name slots of inputs.
void ReadRagged(ObjectReader& plan, core::ModelPlan& read) {
  if (plan.Has("batchInputs")) {
    plan.ForEach("batchInputs", [&](Napi::Value value) {
      ObjectReader reader(value, "plan.batchInput");
      core::BatchInputPlan& input = read.batch_inputs.emplace_back();
      const std::string kind = reader.Text("kind");
      const auto* known =
          std::ranges::find(kBatchInputKinds, std::string_view(kind),
                            &std::pair<std::string_view, core::BatchInputKind>::first);
      if (known == std::end(kBatchInputKinds)) {
        reader.Fail("kind", "a kind of tensor made from the batch");
      } else {
        input.kind = known->second;
      }
      input.name = reader.Text("name");
      input.data_type =
          reader.Text("datatype") == "FP32" ? tensor::DataType::kFp32 : tensor::DataType::kInt32;
      input.source = ToIndex(reader, "source", reader.Integer("source"), read.inputs.size());
      plan.Merge(reader.status());
    });
  }
  for (const core::TensorPlan& output : read.outputs) {
    if (output.scattered_by && *output.scattered_by >= read.inputs.size()) {
      plan.Fail("outputs", "slots of inputs as scatteredBy");
    }
    if (!output.unpadding) continue;
    const uint32_t input = output.unpadding->input;
    if (input >= read.inputs.size() || !read.inputs[input].padding) {
      plan.Fail("outputs", "slots of padded inputs as unpadding.input");
    }
  }
}

base::Result<engine::DispatchModel> ReadModel(Napi::Value value, const engine::Engine& engine,
                                              std::vector<engine::EnsembleSteps>& ensembles) {
  ObjectReader reader(value, "table.model");
  engine::DispatchModel model;
  reader.ForEach("versions", [&](Napi::Value entry) {
    ObjectReader version(entry, "table.model.version");
    const int64_t handle = version.IntegerOr("handle", 0);
    engine::DispatchVersion read;
    read.version = version.Integer("version");
    read.is_ready = version.Bool("ready");
    if (handle != 0) {
      read.model = engine.Find(handle);
      if (!read.model) version.Fail("handle", "a loaded model");
      if (version.Has("steps")) ensembles.push_back({handle, version.Integers("steps")});
    }
    reader.Merge(version.status());
    model.versions.push_back(std::move(read));
  });
  ObjectReader reason(reader.Get("unavailable"), "table.model.unavailable");
  model.unavailable = {ToCode(reason.Integer("code")), reason.Text("message")};
  reader.Merge(reason.status());
  RETURN_IF_ERROR(reader.status());
  std::ranges::sort(model.versions, {}, &engine::DispatchVersion::version);
  return model;
}

void ReadInstanceLimits(ObjectReader& plan, core::ModelPlan& to) {
  plan.ForEach("instanceLimits", [&](Napi::Value value) {
    ObjectReader reader(value, "plan.instanceLimit");
    core::InstanceLimit& limit = to.instance_limits.emplace_back();
    limit.priority =
        static_cast<uint32_t>(std::clamp<int64_t>(reader.Integer("priority"), 1, INT32_MAX));
    reader.ForEach("resources", [&](Napi::Value entry) {
      ObjectReader resource(entry, "plan.instanceLimit.resource");
      core::ResourceNeed& need = limit.resources.emplace_back();
      need.name = resource.Text("name");
      need.is_global = resource.Bool("global");
      need.count = static_cast<uint64_t>(std::max<int64_t>(resource.Integer("count"), 0));
      reader.Merge(resource.status());
    });
    plan.Merge(reader.status());
  });
  if (to.instance_limits.size() != static_cast<size_t>(to.instance_count)) {
    plan.Fail("instanceLimits", "one for each instance");
  }
}

}  // namespace

base::Result<core::ModelPlan> ReadPlan(Napi::Value value) {
  ObjectReader reader(value, "plan");
  core::ModelPlan plan;
  plan.name = reader.Text("name");
  plan.version = reader.Integer("version");
  plan.backend = reader.Text("backend");
  plan.model_file = reader.Text("modelFile");
  plan.max_batch_size = reader.Integer("maxBatchSize");
  plan.max_request_rows = reader.IntegerOr("maxRequestRows", 0);
  plan.decoupled = reader.Bool("decoupled");
  plan.response_cache = reader.Has("responseCache") && reader.Bool("responseCache");
  const int64_t instances = reader.Integer("instanceCount");
  RETURN_IF_ERROR(reader.status());
  if (instances < 1 || instances > kMaxInstances) {
    return base::InvalidArgument("plan.instanceCount: expected 1 to " +
                                 std::to_string(kMaxInstances) + ", got " +
                                 std::to_string(instances));
  }
  plan.instance_count = static_cast<int32_t>(instances);
  RETURN_IF_ERROR(ReadTensors(reader, "inputs", plan.inputs));
  RETURN_IF_ERROR(ReadTensors(reader, "outputs", plan.outputs));
  ReadRagged(reader, plan);
  plan.queue = ReadQueue(reader);
  if (reader.Has("batching")) plan.batching = ReadBatching(reader);
  if (reader.Has("sequence")) {
    ASSIGN_OR_RETURN(plan.sequence, ReadSequence(reader.Get("sequence")));
  }
  if (reader.Has("instanceLimits")) ReadInstanceLimits(reader, plan);
  if (reader.Has("latencyTarget")) {
    ObjectReader target(reader.Get("latencyTarget"), "plan.latencyTarget");
    plan.latency_target = {.target = ToDuration(target.Integer("us")),
                           .has_preferred_sizes = target.Bool("hasPreferredSizes")};
    reader.Merge(target.status());
  }
  if (reader.Has("ensemble")) {
    plan.ensemble = ReadEnsemble(reader, plan.inputs.size(), plan.outputs.size());
  }
  if (reader.Has("warmup")) {
    ASSIGN_OR_RETURN(plan.warmup, ReadWarmup(reader.Get("warmup")));
  }
  reader.ForEachText("parameters", [&](std::string name, std::string text) {
    plan.parameters.emplace(std::move(name), std::move(text));
  });
  reader.ForEachText("metricTags", [&](std::string name, std::string text) {
    plan.metric_tags.emplace(std::move(name), std::move(text));
  });
  plan.first_response_bounds_ms = reader.Numbers("firstResponseBoundsMs");
  RETURN_IF_ERROR(reader.status());
  if (!std::ranges::is_sorted(plan.first_response_bounds_ms)) {
    return base::InvalidArgument("plan.firstResponseBoundsMs: expected ascending numbers");
  }
  return plan;
}

base::Result<std::vector<engine::Engine::Adjustment>> ReadAdjustments(Napi::Value value) {
  if (!value.IsArray()) return base::InvalidArgument("adjust: expected an array");
  const auto array = value.As<Napi::Array>();
  std::vector<engine::Engine::Adjustment> adjustments;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    ObjectReader reader(array.Get(i), "adjust");
    engine::Engine::Adjustment& read = adjustments.emplace_back();
    read.handle = reader.Integer("handle");
    RETURN_IF_ERROR(reader.status());
    ASSIGN_OR_RETURN(read.plan, ReadPlan(reader.Get("plan")));
  }
  return adjustments;
}

base::Result<engine::DispatchTableRef> ReadTable(Napi::Value value, const engine::Engine& engine) {
  ObjectReader reader(value, "table");
  auto table = base::MakeRef<engine::DispatchTable>();
  table->is_live = reader.Bool("live");
  table->is_ready = reader.Bool("ready");
  table->is_exiting = reader.Bool("exiting");
  table->is_on_demand = reader.Has("onDemand") && reader.Bool("onDemand");
  table->unknown_model =
      ToCode(reader.IntegerOr("unknownModel", static_cast<int64_t>(base::StatusCode::kNotFound)));
  std::vector<engine::EnsembleSteps> ensembles;
  reader.ForEach("models", [&](Napi::Value entry) {
    auto model = ReadModel(entry, engine, ensembles);
    if (!model.ok()) return reader.Merge(model.status());
    table->Add(ObjectReader(entry).Text("name"), model.Take());
  });
  if (reader.Has("needs")) {
    reader.ForEach("needs", [&](Napi::Value list) {
      auto& models = table->needs.emplace_back();
      if (!list.IsArray()) return reader.Fail("needs", "arrays of handles");
      const auto handles = list.As<Napi::Array>();
      for (uint32_t i = 0; i < handles.Length(); ++i) {
        auto model = engine.Find(IntegerArgument(handles.Get(i)));
        if (model) models.push_back(std::move(model));
      }
    });
  }
  RETURN_IF_ERROR(reader.status());
  ASSIGN_OR_RETURN(table->ensembles, engine.Bind(ensembles));
  return engine::DispatchTableRef(std::move(table));
}

}  // namespace serving::addon
