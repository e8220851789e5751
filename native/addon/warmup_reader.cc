// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/warmup_reader.h"

#include <string>
#include <utility>

#include "addon/values.h"
#include "tensor/data_type.h"

namespace serving::addon {
namespace {

using core::WarmupInput;

void ReadData(ObjectReader& reader, WarmupInput& input) {
  const Napi::Value data = reader.Get("data");
  if (data.IsTypedArray() && data.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto bytes = data.As<Napi::Uint8Array>();
    input.source = WarmupInput::Source::kBytes;
    input.bytes.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
    return;
  }
  const std::string source = reader.Text("data");
  if (source != "zero" && source != "random") reader.Fail("data", "zero, random or bytes");
  input.source = source == "random" ? WarmupInput::Source::kRandom : WarmupInput::Source::kZero;
}

base::Result<WarmupInput> ReadInput(Napi::Value value) {
  ObjectReader reader(value, "plan.warmup.input");
  WarmupInput input;
  input.name = reader.Text("name");
  const auto type = tensor::ParseWireName(reader.Text("datatype"));
  if (!type) reader.Fail("datatype", "a type");
  input.data_type = type.value_or(tensor::DataType::kFp32);
  const auto dims = reader.Integers("dims");
  ReadData(reader, input);
  RETURN_IF_ERROR(reader.status());
  ASSIGN_OR_RETURN(input.dims, ToShape(dims));
  return input;
}

}  // namespace

base::Result<std::vector<core::WarmupSample>> ReadWarmup(Napi::Value value) {
  std::vector<core::WarmupSample> samples;
  if (!value.IsArray()) return base::InvalidArgument("plan.warmup: expected an array");
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    ObjectReader reader(array.Get(i), "plan.warmup");
    core::WarmupSample& sample = samples.emplace_back();
    sample.name = reader.Text("name");
    sample.batch_size = reader.Integer("batchSize");
    sample.count = reader.Integer("count");
    if (sample.batch_size < 1) reader.Fail("batchSize", "1 or more");
    reader.ForEach("inputs", [&](Napi::Value given) {
      auto input = ReadInput(given);
      reader.Merge(input.status());
      if (input.ok()) sample.inputs.push_back(input.Take());
    });
    RETURN_IF_ERROR(reader.status());
  }
  return samples;
}

}  // namespace serving::addon
