// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <cstring>
#include <variant>

#include "backend/testing/test_model.h"
#include "tensor/bytes_tensor.h"

namespace serving::backend {
namespace {

void AppendQuoted(std::string_view text, std::string& json) {
  static constexpr char kDigits[] = "0123456789abcdef";
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += "\\u00";
      json += kDigits[c >> 4];
      json += kDigits[c & 15];
    } else {
      json += c;
    }
  }
  json += '"';
}

struct AppendValue {
  std::string& json;
  void operator()(bool value) const { json += value ? "true" : "false"; }
  void operator()(int64_t value) const { json += std::to_string(value); }
  void operator()(uint64_t value) const { json += std::to_string(value); }
  void operator()(double value) const { json += std::to_string(value); }
  void operator()(std::string_view value) const { AppendQuoted(value, json); }
};

// As Python's `request.parameters()` gives them.
std::string ToJson(const core::Parameters& parameters) {
  std::string json = "{";
  for (const core::Parameter& parameter : parameters) {
    if (json.size() > 1) json += ',';
    AppendQuoted(parameter.name, json);
    json += ':';
    std::visit(AppendValue{json}, parameter.value);
  }
  return json + "}";
}

class ParametersModel final : public TestModel {
 public:
  void Execute(Batch& batch) override { batch.Complete(Answer(batch)); }

 private:
  static base::Status Answer(Batch& batch) {
    const std::string json = ToJson(batch.requests().front()->parameters);
    const auto length = static_cast<uint32_t>(json.size());
    BatchOutput& output = batch.outputs().front();
    output.owner = batch.Allocate(sizeof(length) + json.size());
    if (!output.owner) return base::Unavailable("parameters: memory limit reached, retry later");
    std::memcpy(output.owner->data(), &length, sizeof(length));
    std::memcpy(output.owner->data() + sizeof(length), json.data(), json.size());
    const int64_t one[] = {1};
    output.data_type = tensor::DataType::kBytes;
    output.shape = tensor::Shape(one);
    output.view = {.data = output.owner->data(), .size = sizeof(length) + json.size()};
    return {};
  }
};

}  // namespace

std::unique_ptr<Backend> MakeParametersBackend() {
  return std::make_unique<TestBackend>(
      "parameters", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        if (plan.max_batch_size != 0 || plan.outputs.size() != 1 ||
            plan.outputs[0].tensor.data_type != tensor::DataType::kBytes) {
          return base::InvalidArgument(
              "parameters: expected max_batch_size 0 and one output of type TYPE_STRING");
        }
        return std::unique_ptr<BackendModel>(std::make_unique<ParametersModel>());
      });
}

}  // namespace serving::backend
