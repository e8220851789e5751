// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/generate_request.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "protocol/http_parameters.h"
#include "protocol/json_access.h"
#include "protocol/json_cursor.h"
#include "protocol/json_input.h"
#include "protocol/request_parts.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;

constexpr std::string_view kNested = "parameters";

// The shape of `count` elements for an input; false when none fits.
bool FitShape(const core::ModelPlan& plan, const core::TensorPlan& input, uint64_t count,
              tensor::Shape& shape) {
  shape.Clear();
  if (plan.max_batch_size > 0) shape.Append(-1);
  for (const int64_t dim : input.tensor.dims.dims()) {
    if (!shape.Append(dim)) return false;
  }
  for (const int64_t dim : shape.dims()) {
    if (dim < 0) continue;
    if (dim == 0 || count % static_cast<uint64_t>(dim) != 0) return false;
    count /= static_cast<uint64_t>(dim);
  }
  for (size_t axis = shape.rank(); axis-- > 0;) {
    if (shape[axis] >= 0) continue;
    shape.Set(axis, static_cast<int64_t>(count));
    count = 1;
  }
  return count == 1;
}

class GenerateReader {
 public:
  GenerateReader(std::string_view text, size_t max_json_bytes, base::BufferAllocator& allocator,
                 const core::ModelPlan& plan, Real16Json real16, core::InferRequest& request)
      : cursor_(text),
        max_json_bytes_(max_json_bytes),
        allocator_(allocator),
        plan_(plan),
        real16_(real16),
        request_(request) {}

  Status Read() {
    const bool is_json = ReadDocument();
    if (!is_json) {
      return InvalidArgument(Join({"failed to parse the request JSON buffer: ", cursor_.error(),
                                   " at ", std::to_string(cursor_.error_at())}));
    }
    return std::move(error_);
  }

 private:
  bool ReadDocument() {
    cursor_.SkipSpace();
    if (cursor_.AtEnd()) return cursor_.Fail("The document is empty.", cursor_.at());
    if (cursor_.NextIs('{')) {
      if (!cursor_.WalkObject([this](const JsonValue& key) { return ReadMember(key); })) {
        return false;
      }
    } else {
      JsonValue root;
      if (!cursor_.SkipValue(root)) return false;
      error_ = InvalidArgument("attempt to get members for non-object");
    }
    cursor_.SkipSpace();
    if (cursor_.AtEnd()) return true;
    return cursor_.Fail("The document root must not be followed by other values.", cursor_.at());
  }

  // Errors of meaning wait until the whole text is known to be JSON: Triton parses it first.
  bool ReadMember(const JsonValue& key) {
    const std::string_view name = JsonText(key, request_.arena);
    if (name == kNested && cursor_.NextIs('{')) {
      return cursor_.WalkObject([this](const JsonValue& nested) {
        JsonValue value;
        if (!cursor_.SkipValue(value)) return false;
        if (!error_.ok()) return true;
        error_ = Take(JsonText(nested, request_.arena), value);
        if (!error_.ok()) {
          error_ = Status(error_.code(),
                          Join({"Converting keyword: '", kNested, "': ", error_.message()}));
        }
        return true;
      });
    }
    JsonValue value;
    if (!cursor_.SkipValue(value)) return false;
    if (!error_.ok()) return true;
    if (name == kNested) {
      error_ = InvalidArgument(Join({"Expected JSON object for keyword: '", kNested,
                                     "': attempt to access JSON non-object as object"}));
    } else if (name == "id") {
      if (value.is_string()) {
        request_.id = JsonText(value, request_.arena);
      } else {
        error_ = Unable("id", Access::kString);
      }
    } else {
      error_ = Take(name, value);
    }
    return true;
  }

  Status Take(std::string_view name, const JsonValue& value) {
    const auto input = std::ranges::find(plan_.inputs, name, [](const core::TensorPlan& one) {
      return std::string_view(one.tensor.name);
    });
    if (input == plan_.inputs.end()) return TakePlainParameter(name, value, request_);
    const bool is_taken = std::ranges::any_of(
        request_.inputs, [&](const core::InputTensor& one) { return one.name == name; });
    if (is_taken) {
      return InvalidArgument(
          Join({core::RequestPrefix(request_.id), "input '", name, "' already exists in request"}));
    }
    return TakeTensor(*input, name, value);
  }

  Status TakeTensor(const core::TensorPlan& plan, std::string_view name, const JsonValue& value) {
    const JsonValue data = value.is_array() ? value : InBrackets(value);
    core::InputTensor& input = request_.AddInput();
    input.name = name;
    input.data_type = plan.tensor.data_type;
    input.data_type_name = tensor::WireName(input.data_type);
    if (!FitShape(plan_, plan, CountElements(data), input.shape)) {
      return InvalidArgument(
          Join({"The schema can not convert input '", name, "' to tensor with proper shape"}));
    }
    return TakeJsonData(data, max_json_bytes_, allocator_, real16_, request_, input);
  }

  JsonValue InBrackets(const JsonValue& value) {
    const std::string_view text = value.text();
    char* place = request_.arena.Allocate(text.size() + 2);
    place[0] = '[';
    std::memcpy(place + 1, text.data(), text.size());
    place[text.size() + 1] = ']';
    return {place, place + text.size() + 2, value.has_escapes};
  }

  // Of the outermost list; what is deeper is the tensor reader's to refuse.
  static uint64_t CountElements(const JsonValue& array) {
    JsonCursor cursor(array.text());
    uint64_t count = 0;
    cursor.WalkArray([&] {
      JsonValue element;
      ++count;
      return cursor.SkipValue(element);
    });
    return count;
  }

  JsonCursor cursor_;
  const size_t max_json_bytes_;
  base::BufferAllocator& allocator_;
  const core::ModelPlan& plan_;
  const Real16Json real16_;
  core::InferRequest& request_;
  Status error_;
};

}  // namespace

Status ReadGenerateRequest(std::string_view text, size_t max_json_bytes,
                           base::BufferAllocator& allocator, const core::ModelPlan& plan,
                           core::InferRequest& request, Real16Json real16) {
  if (text.size() > max_json_bytes) return JsonTooLarge(text.size(), max_json_bytes);
  return GenerateReader(text, max_json_bytes, allocator, plan, real16, request).Read();
}

}  // namespace serving::protocol
