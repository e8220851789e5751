// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/execution.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "model/padding.h"
#include "model/ragged.h"
#include "tensor/bytes_tensor.h"

namespace serving::model {
namespace {

bool Contains(const base::Buffer& buffer, const tensor::TensorView& view) {
  return view.data >= buffer.data() && view.data + view.size <= buffer.data() + buffer.capacity();
}

// The buffer that keeps the view's bytes alive; null for memory nobody owns (empty views).
base::BufferRef OwnerOf(const core::InferRequest& request, const tensor::TensorView& view) {
  if (request.body && Contains(*request.body, view)) return request.body;
  for (const base::BufferRef& buffer : request.kept) {
    if (Contains(*buffer, view)) return buffer;
  }
  for (const core::ClientMemoryRef& memory : request.client_memory) {
    if (Contains(*memory, view)) return memory;
  }
  return nullptr;
}

base::Status MemoryFull(const core::ModelPlan& plan) {
  return base::Unavailable("memory limit reached: no room for a batch of model '" + plan.name +
                           "', retry later");
}

// The bytes are as many as the shape says. Strings are counted when they are split.
bool HasWholeElements(const backend::BatchOutput& output) {
  if (output.data_type == tensor::DataType::kBytes) return true;
  const auto elements = output.shape.ElementCount();
  size_t bytes = 0;
  return elements &&
         !__builtin_mul_overflow(static_cast<size_t>(*elements), tensor::ByteSize(output.data_type),
                                 &bytes) &&
         bytes == output.view.size;
}

// Bytes of `rows` rows at the start of what is left of an output; nothing when the backend produced
// too little.
std::optional<size_t> RowsSize(const backend::BatchOutput& output, std::span<const std::byte> rest,
                               int64_t rows) {
  const int64_t total_rows = output.shape[0];
  if (total_rows == 0) return 0;
  if (output.data_type != tensor::DataType::kBytes) {
    const size_t size =
        output.view.size / static_cast<size_t>(total_rows) * static_cast<size_t>(rows);
    if (size > rest.size()) return std::nullopt;
    return size;
  }
  tensor::Shape one_row = output.shape;
  one_row.Set(0, rows);
  const auto elements = one_row.ElementCount();
  if (!elements) return std::nullopt;
  return tensor::BytesPrefixSize(rest, static_cast<size_t>(*elements));
}

// Hands the responses over; each thread that is to hear of them stands once in `wakers`.
void SendAll(std::span<const core::RequestPtr> requests,
             std::span<core::InferResponse* const> responses, std::vector<base::Waker*>& wakers) {
  for (size_t i = 0; i < responses.size(); ++i) {
    base::Waker* waker = requests[i]->sink->Send(responses[i]);
    if (waker != nullptr && std::ranges::find(wakers, waker) == wakers.end()) {
      waker->AddRef();
      wakers.push_back(waker);
    }
  }
}

void WakeAll(std::vector<base::Waker*>& wakers) {
  for (base::Waker* waker : wakers) {
    waker->Wake();
    waker->Unref();
  }
  wakers.clear();
}

}  // namespace

const core::InputTensor* FindInput(const core::InferRequest& request, uint32_t slot) {
  for (const core::InputTensor& input : request.inputs) {
    if (input.slot == slot) return &input;
  }
  return nullptr;
}

bool WantsOutput(const core::InferRequest& request, uint32_t slot) {
  return request.wanted.empty() || std::ranges::any_of(request.wanted, [&](const auto& wanted) {
           return wanted.slot == slot;
         });
}

Execution::Execution(const core::ModelPlan& plan, int instance, size_t input_alignment,
                     std::shared_ptr<base::MemoryBudget> budget, ExecutionListener* listener,
                     bool only_copies_values)
    : plan_(plan),
      instance_(instance),
      input_alignment_(input_alignment),
      only_copies_values_(only_copies_values),
      is_ragged_(IsRagged(plan)),
      has_padding_(HasPadding(plan)),
      listener_(listener),
      pool_(base::MakeRef<device::HostPool>(std::move(budget))) {
  inputs_.resize(plan.inputs.size() + plan.batch_inputs.size());
  outputs_.resize(plan.outputs.size());
  wanted_.resize(plan.outputs.size());
  allocator_ = pool_.get();
}

void Execution::Add(core::RequestPtr request) {
  rows_ += request->batch_size;
  requests_.push_back(request.get());
  owned_.push_back(std::move(request));
}

void Execution::Run(backend::Instance& instance, base::Instant now) {
  times_ = {.compute_start = now, .input_end = now, .infer_end = now, .output_end = now};
  if (base::Status status = Gather(); !status.ok()) {
    Complete(std::move(status));
    return;
  }
  CountCopies();
  times_.input_end = std::chrono::steady_clock::now();
  instance.Execute(*this);
}

base::Status Execution::Gather() {
  for (uint32_t slot = 0; slot < wanted_.size(); ++slot) {
    wanted_[slot] = std::ranges::any_of(
        requests_, [&](const core::InferRequest* request) { return WantsOutput(*request, slot); });
  }
  const size_t count = plan_.inputs.size();
  if (has_padding_) padding_ = {};
  for (uint32_t slot = 0; slot < count; ++slot) {
    RETURN_IF_ERROR(has_padding_ ? GatherPadded(slot) : GatherInput(slot));
  }
  return is_ragged_ ? GatherRagged() : base::Status();
}

// Putting a batch of several together, or filling a tensor up, is this model's own work: before
// that the tensor counts as it came.
void Execution::CountCopies() const {
  for (const core::InferRequest* request : requests_) {
    if (request->hand_over == nullptr) [[likely]]
      continue;
    for (const core::InputTensor& input : request->inputs) {
      if (input.made_at == nullptr || input.byte_size == 0) continue;
      const bool is_own = requests_.size() > 1 || plan_.inputs[input.slot].padding;
      const tensor::TensorView& view = is_own ? input.parts[0] : inputs_[input.slot].view;
      if (view.data != input.made_at || view.size != input.byte_size) {
        request->hand_over->CountCopy(input.byte_size);
      }
    }
  }
}

base::Status Execution::GatherPadded(uint32_t slot) {
  const core::InputTensor* first = FindInput(*requests_[0], slot);
  if (!plan_.inputs[slot].padding || first == nullptr) return GatherInput(slot);
  if (!NeedsPadding(plan_, slot, requests_)) {
    for (const core::InferRequest* request : requests_) {
      padding_.input_bytes += FindInput(*request, slot)->byte_size;
    }
    return GatherInput(slot);
  }
  backend::BatchInput& target = inputs_[slot];
  target.present = true;
  target.owner.Reset();
  target.data_type = first->data_type;
  target.shape = first->shape;
  if (plan_.max_batch_size > 0) target.shape.Set(0, rows_);
  return PadInput(plan_, slot, requests_, *pool_, target, padding_);
}

base::Status Execution::GatherRagged() {
  const size_t count = plan_.inputs.size();
  for (uint32_t slot = 0; slot < count; ++slot) {
    if (plan_.inputs[slot].is_ragged && inputs_[slot].present) {
      inputs_[slot].shape = FlatShape(requests_, slot);
    }
  }
  for (size_t i = 0; i < plan_.batch_inputs.size(); ++i) {
    RETURN_IF_ERROR(MakeBatchInput(plan_.batch_inputs[i], requests_, *pool_, inputs_[count + i]));
  }
  return {};
}

base::Status Execution::GatherInput(uint32_t slot) {
  backend::BatchInput& target = inputs_[slot];
  const core::InputTensor* first = FindInput(*requests_[0], slot);
  target.present = first != nullptr;
  target.owner.Reset();
  if (first == nullptr) return {};
  target.data_type = first->data_type;
  target.shape = first->shape;
  if (plan_.max_batch_size > 0) target.shape.Set(0, rows_);
  if (requests_.size() == 1 && LendInput(*requests_[0], *first, target)) return {};
  return CopyInput(slot, target);
}

bool Execution::LendInput(const core::InferRequest& request, const core::InputTensor& input,
                          backend::BatchInput& target) const {
  if (input.parts.size() != 1) return false;
  const tensor::TensorView& view = input.parts[0];
  const size_t alignment = std::max(tensor::ByteSize(input.data_type), input_alignment_);
  if (reinterpret_cast<uintptr_t>(view.data) % std::max<size_t>(alignment, 1) != 0) return false;
  target.owner = OwnerOf(request, view);
  target.view = view;
  if (!target.owner) return false;
  return !target.owner->is_client_memory() || MaySeeClientMemory(input.data_type);
}

bool Execution::MaySeeClientMemory(tensor::DataType type) const {
  return only_copies_values_ || type == tensor::DataType::kFp32 ||
         type == tensor::DataType::kFp64 || type == tensor::DataType::kFp16 ||
         type == tensor::DataType::kBf16;
}

base::BufferRef Execution::AllocateOutput(uint32_t slot, size_t bytes) {
  if (requests_.size() == 1 && !requests_[0]->client_memory.empty()) [[unlikely]] {
    if (base::BufferRef place = UsablePlace(*requests_[0], slot, bytes)) return place;
  }
  return Allocate(bytes);
}

// The client's place for the output, where the backend may write to it while it works: large
// enough, aligned as our own memory, and no part of an input.
base::BufferRef Execution::UsablePlace(const core::InferRequest& request, uint32_t slot,
                                       size_t bytes) const {
  const auto wanted = std::ranges::find(request.wanted, slot, &core::WantedOutput::slot);
  if (wanted == request.wanted.end() || !wanted->place) return nullptr;
  const core::ClientMemoryRef& place = wanted->place;
  const bool fits = bytes <= place->capacity() &&
                    reinterpret_cast<uintptr_t>(place->data()) % base::kBufferAlignment == 0 &&
                    MaySeeClientMemory(plan_.outputs[slot].tensor.data_type);
  // The place itself is one of them.
  const auto users = std::ranges::count_if(
      request.client_memory, [&](const auto& memory) { return memory->Overlaps(*place); });
  return fits && users == 1 ? place : nullptr;
}

base::Status Execution::CopyInput(uint32_t slot, backend::BatchInput& target) {
  size_t size = 0;
  for (const core::InferRequest* request : requests_) size += FindInput(*request, slot)->byte_size;
  target.owner = pool_->Allocate(size);
  if (!target.owner) return MemoryFull(plan_);
  std::byte* out = target.owner->data();
  for (const core::InferRequest* request : requests_) {
    for (const tensor::TensorView& part : FindInput(*request, slot)->parts) {
      if (part.size != 0) std::memcpy(out, part.data, part.size);
      out += part.size;
    }
  }
  target.view = {.data = target.owner->data(), .size = size};
  return {};
}

base::Status Execution::Reschedule(size_t request) {
  if (taker_ == nullptr) return Batch::Reschedule(request);
  returned_.resize(owned_.size());
  returned_[request] = std::make_unique<core::InferResponse>();
  return {};
}

void Execution::Complete(base::Status status) {
  times_.infer_end = std::chrono::steady_clock::now();
  if (!status.ok()) returned_.clear();
  for (size_t i = 0; i < owned_.size(); ++i) {
    responses_.push_back(IsReturned(i) ? returned_[i].get() : owned_[i]->sink->NewResponse());
  }
  if (status.ok()) status = Scatter();
  if (!status.ok()) PrepareErrors(status);
  times_.output_end = std::chrono::steady_clock::now();
  for (size_t i = 0; i < responses_.size(); ++i) {
    core::InferResponse& response = *responses_[i];
    response.is_final = true;
    response.times = owned_[i]->times;
    response.times.compute_start = times_.compute_start;
    response.times.input_end = times_.input_end;
    response.times.infer_end = times_.infer_end;
    response.times.output_end = times_.output_end;
  }
  listener_->OnExecuted(instance_, status, false);
}

void Execution::CompleteAnswered() {
  times_.infer_end = times_.output_end = std::chrono::steady_clock::now();
  listener_->OnExecuted(instance_, {}, true);
}

base::Status Execution::Scatter() {
  for (uint32_t slot = 0; slot < outputs_.size(); ++slot) {
    if (wanted_[slot] != 0) RETURN_IF_ERROR(ScatterOutput(slot));
  }
  return {};
}

base::Status Execution::ScatterOutput(uint32_t slot) {
  backend::BatchOutput& output = outputs_[slot];
  const std::string& name = plan_.outputs[slot].tensor.name;
  if (!output.owner) {
    return base::Internal("model '" + plan_.name + "' did not produce output '" + name + "'");
  }
  if (is_ragged_ && plan_.outputs[slot].scattered_by) return ScatterOutputByInput(slot);
  const bool has_rows = plan_.max_batch_size > 0;
  if (has_rows && (output.shape.rank() == 0 || output.shape[0] != rows_)) {
    return base::Internal("model '" + plan_.name + "' produced output '" + name + "' with shape " +
                          output.shape.ToString() + " for a batch of " + std::to_string(rows_) +
                          ": expected that as the first dimension");
  }
  if (!HasWholeElements(output)) {
    return base::Internal("model '" + plan_.name + "' produced output '" + name + "' with " +
                          std::to_string(output.view.size) +
                          " bytes, too few or too many for shape " + output.shape.ToString());
  }
  std::span<const std::byte> rest{output.view.data, output.view.size};
  for (size_t i = 0; i < owned_.size(); ++i) {
    const core::InferRequest& request = *owned_[i];
    size_t size = rest.size();
    if (owned_.size() > 1) {
      const auto rows_size = RowsSize(output, rest, request.batch_size);
      if (!rows_size) {
        return base::Internal("model '" + plan_.name + "' produced too few elements of output '" +
                              name + "'");
      }
      size = *rows_size;
    }
    if (WantsOutput(request, slot)) {
      tensor::Shape shape = output.shape;
      if (has_rows) shape.Set(0, request.batch_size);
      if (has_padding_ && plan_.outputs[slot].unpadding) {
        RETURN_IF_ERROR(AddUnpadded(i, slot, shape, rest.first(size)));
      } else {
        AddOutput(i, slot, shape, rest.first(size));
      }
    }
    rest = rest.subspan(size);
  }
  output.owner.Reset();
  return {};
}

base::Status Execution::ScatterOutputByInput(uint32_t slot) {
  backend::BatchOutput& output = outputs_[slot];
  const core::TensorPlan& planned = plan_.outputs[slot];
  std::span<const std::byte> rest{output.view.data, output.view.size};
  for (size_t i = 0; i < owned_.size(); ++i) {
    const auto part = ScatterByInput(planned, plan_.max_batch_size > 0, *owned_[i], rest);
    if (!part) {
      return base::Internal("model '" + plan_.name + "' produced output '" + planned.tensor.name +
                            "' with " + std::to_string(output.view.size) +
                            " bytes, too few for the shapes of input '" +
                            plan_.inputs[*planned.scattered_by].tensor.name + "'");
    }
    if (WantsOutput(*owned_[i], slot)) AddOutput(i, slot, part->shape, rest.first(part->bytes));
    rest = rest.subspan(part->bytes);
  }
  output.owner.Reset();
  return {};
}

core::OutputTensor& Execution::AddOutput(size_t index, uint32_t slot, const tensor::Shape& shape,
                                         std::span<const std::byte> bytes) {
  const backend::BatchOutput& output = outputs_[slot];
  core::OutputTensor& part = responses_[index]->outputs.emplace_back();
  part.slot = slot;
  part.data_type = output.data_type;
  part.shape = shape;
  part.view = {.data = bytes.data(), .size = bytes.size()};
  part.owner = output.owner;
  return part;
}

base::Status Execution::AddUnpadded(size_t index, uint32_t slot, const tensor::Shape& shape,
                                    std::span<const std::byte> bytes) {
  ASSIGN_OR_RETURN(CutTensor cut, Unpad(plan_, slot, *requests_[index], shape, bytes, *pool_));
  core::OutputTensor& part = AddOutput(index, slot, cut.shape, cut.bytes);
  if (cut.owner) part.owner = std::move(cut.owner);
  return {};
}

void Execution::PrepareErrors(const base::Status& status) {
  for (size_t i = 0; i < returned_.size(); ++i) {
    if (IsReturned(i)) responses_[i] = owned_[i]->sink->NewResponse();
  }
  returned_.clear();
  for (core::InferResponse* response : responses_) {
    response->outputs.clear();
    response->status = status;
  }
  for (backend::BatchOutput& output : outputs_) output.owner.Reset();
}

// Each leaves the batch before its answers are sent.
void Execution::HandBack() {
  for (size_t i = returned_.size(); i-- > 0;) {
    if (!IsReturned(i)) continue;
    core::RequestPtr request = std::move(owned_[i]);
    owned_.erase(owned_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!responses_.empty()) {
      responses_.erase(responses_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    taker_->TakeBack(std::move(request), *returned_[i]);
  }
  returned_.clear();
}

void Execution::Deliver() {
  if (!returned_.empty()) HandBack();
  SendAll(owned_, responses_, wakers_);
  Clear();
  WakeAll(wakers_);
}

BatchAnswers Execution::TakeAnswers() {
  BatchAnswers answers{.requests = std::move(owned_), .responses = std::move(responses_)};
  Clear();
  return answers;
}

void Execution::Clear() {
  responses_.clear();
  for (backend::BatchInput& input : inputs_) input.owner.Reset();
  requests_.clear();
  owned_.clear();
  rows_ = 0;
}

void SendAnswers(BatchAnswers answers) {
  std::vector<base::Waker*> wakers;
  SendAll(answers.requests, answers.responses, wakers);
  answers.requests.clear();
  WakeAll(wakers);
}

}  // namespace serving::model
