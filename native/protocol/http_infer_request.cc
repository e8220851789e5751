// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_infer_request.h"

#include <charconv>
#include <cstdint>
#include <string>

#include "protocol/http_parameters.h"
#include "protocol/http_tensors.h"
#include "protocol/json_access.h"
#include "protocol/json_cursor.h"
#include "protocol/json_tensor.h"
#include "protocol/raw_infer_request.h"
#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;

// Keeps the first error of a kind.
void Note(Status& kept, Status found) {
  if (kept.ok() && !found.ok()) kept = std::move(found);
}

// A member is taken the first time it is met; further ones of the same name are passed over.
bool TakeFirst(JsonCursor& cursor, JsonValue& member) {
  JsonValue value;
  if (!cursor.SkipValue(value)) return false;
  if (!member.is_present()) member = value;
  return true;
}

// Reads the JSON part once, front to back. Triton parses all of it before it looks at any of it, so
// errors of meaning wait in one slot a kind until the text is known to be JSON, and come out in
// Triton's order: id, parameters, inputs, outputs. Each input is complete, its tensor read, when
// its closing brace has been passed.
class BodyReader {
 public:
  BodyReader(std::string_view json, std::string_view tail, size_t max_json_bytes,
             base::BufferAllocator& allocator, Real16Json real16, core::InferRequest& request,
             core::RegionSource* regions)
      : cursor_(json),
        max_json_bytes_(max_json_bytes),
        allocator_(allocator),
        real16_(real16),
        request_(request),
        tensors_(tail, max_json_bytes, allocator, real16, request, regions) {}

  Status Read() {
    if (!ReadDocument()) {
      return InvalidArgument(Join({"failed to parse the request JSON buffer: ", cursor_.error(),
                                   " at ", std::to_string(cursor_.error_at())}));
    }
    RETURN_IF_ERROR(std::move(id_error_));
    RETURN_IF_ERROR(std::move(parameter_error_));
    if (!seen_inputs_) return Unable("inputs", Access::kMissing);
    RETURN_IF_ERROR(std::move(input_error_));
    if (tensors_.has_tail()) {
      return InvalidArgument(
          Join({"unexpected additional input data for model '", request_.model_name, "'"}));
    }
    return std::move(output_error_);
  }

 private:
  bool ReadDocument() {
    // A byte order mark in front is passed over, as Triton does.
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    const auto size = static_cast<size_t>(cursor_.end() - cursor_.at());
    if (std::string_view(cursor_.at(), size).starts_with(kByteOrderMark)) {
      cursor_.JumpTo(cursor_.at() + kByteOrderMark.size());
    }
    cursor_.SkipSpace();
    if (cursor_.AtEnd()) return cursor_.Fail("The document is empty.", cursor_.at());
    if (cursor_.NextIs('{')) {
      if (!cursor_.WalkObject([this](const JsonValue& key) { return ReadMember(key); }))
        return false;
    } else if (JsonValue root; !cursor_.SkipValue(root)) {
      return false;
    }
    cursor_.SkipSpace();
    if (cursor_.AtEnd()) return true;
    return cursor_.Fail("The document root must not be followed by other values.", cursor_.at());
  }

  std::string_view Text(const JsonValue& value) { return JsonText(value, request_.arena); }

  bool SkipOne() {
    JsonValue value;
    return cursor_.SkipValue(value);
  }

  bool ReadMember(const JsonValue& key) {
    const std::string_view name = Text(key);
    if (name == "id" && !std::exchange(seen_id_, true)) return ReadId();
    if (name == "parameters" && !std::exchange(seen_parameters_, true)) return ReadParameters();
    if (name == "inputs" && !std::exchange(seen_inputs_, true)) return ReadInputs();
    if (name == "outputs" && !std::exchange(seen_outputs_, true)) return ReadOutputs();
    return SkipOne();
  }

  bool ReadId() {
    JsonValue value;
    if (!cursor_.SkipValue(value)) return false;
    if (value.is_string()) {
      request_.id = Text(value);
    } else {
      id_error_ = Unable("id", Access::kString);
    }
    return true;
  }

  // ---- parameters

  bool ReadParameters() {
    if (!cursor_.NextIs('{')) {
      parameter_error_ =
          InvalidArgument("failed to get request params.: attempt to get members for non-object");
      return SkipOne();
    }
    return cursor_.WalkObject([this](const JsonValue& key) {
      JsonValue value;
      if (!cursor_.SkipValue(value)) return false;
      if (parameter_error_.ok()) parameter_error_ = TakeHttpParameter(Text(key), value, request_);
      return true;
    });
  }

  // ---- inputs

  bool ReadInputs() {
    if (!cursor_.NextIs('[')) {
      Note(input_error_, Unable("inputs", Access::kArray));
      return SkipOne();
    }
    return cursor_.WalkArray([this] {
      InputMembers members;
      if (!cursor_.NextIs('{')) {
        if (!SkipOne()) return false;
      } else if (!cursor_.WalkObject(
                     [&](const JsonValue& key) { return ReadInputMember(key, members); })) {
        return false;
      }
      if (input_error_.ok()) input_error_ = tensors_.AddInput(members);
      return true;
    });
  }

  bool ReadInputMember(const JsonValue& key, InputMembers& members) {
    const std::string_view name = Text(key);
    if (name == "name") return TakeFirst(cursor_, members.name);
    if (name == "datatype") return TakeFirst(cursor_, members.data_type);
    if (name == "shape") return TakeFirst(cursor_, members.shape);
    if (name == "data") return ReadData(members);
    if (name == "parameters" && !std::exchange(members.has_parameters, true) &&
        cursor_.NextIs('{')) {
      return cursor_.WalkObject([&](const JsonValue& parameter) {
        const std::string_view parameter_name = Text(parameter);
        if (parameter_name == "binary_data_size")
          return TakeFirst(cursor_, members.binary_data_size);
        if (JsonValue* member = members.shared_memory.Find(parameter_name)) {
          return TakeFirst(cursor_, *member);
        }
        return SkipOne();
      });
    }
    return SkipOne();
  }

  // Numbers go straight into the tensor where datatype and shape are known already and all is as it
  // should be; otherwise the array is only checked, and read when the input is complete.
  bool ReadData(InputMembers& members) {
    if (members.data.is_present()) return SkipOne();
    if (input_error_.ok() && cursor_.NextIs('[') && ReadDataFast(members)) return true;
    return TakeFirst(cursor_, members.data);
  }

  bool ReadDataFast(InputMembers& members) {
    if (!members.data_type.is_string() || !members.shape.is_array()) return false;
    const std::string_view quoted = members.data_type.text();
    const auto type = tensor::ParseWireName(quoted.substr(1, quoted.size() - 2));
    if (!type || (tensor::IsReal16(*type) && real16_ == Real16Json::kRefused)) return false;
    if (!ReadJsonShapeFast(members.shape, members.dims)) return false;
    const auto count =
        PossibleCount(members.dims, static_cast<size_t>(cursor_.end() - cursor_.at()));
    if (!count || *count == 0) return false;
    const size_t size = *count * tensor::ByteSize(*type);
    if (size == 0 || size > max_json_bytes_) return false;
    base::BufferRef buffer = allocator_.Allocate(size);
    if (!buffer) return false;
    const char* begin = cursor_.at();
    const char* end = ReadJsonTensorFast(begin, cursor_.end(), *type, *count, buffer->data());
    if (end == nullptr) return false;
    members.data = {begin, end, false};
    members.elements = buffer->data();
    members.elements_bytes = size;
    request_.kept.push_back(std::move(buffer));
    cursor_.JumpTo(end);
    return true;
  }

  // ---- outputs

  bool ReadOutputs() {
    if (!cursor_.NextIs('[')) {
      Note(output_error_, Unable("outputs", Access::kArray));
      return SkipOne();
    }
    return cursor_.WalkArray([this] {
      OutputMembers members;
      if (!cursor_.NextIs('{')) {
        if (!SkipOne()) return false;
      } else if (!cursor_.WalkObject(
                     [&](const JsonValue& key) { return ReadOutputMember(key, members); })) {
        return false;
      }
      if (output_error_.ok()) output_error_ = tensors_.AddOutput(members);
      return true;
    });
  }

  bool ReadOutputMember(const JsonValue& key, OutputMembers& members) {
    const std::string_view name = Text(key);
    if (name == "name") return TakeFirst(cursor_, members.name);
    if (name != "parameters" || std::exchange(members.has_parameters, true) ||
        !cursor_.NextIs('{')) {
      return SkipOne();
    }
    return cursor_.WalkObject([&](const JsonValue& parameter) {
      const std::string_view parameter_name = Text(parameter);
      if (parameter_name == "binary_data") return TakeFirst(cursor_, members.binary_data);
      if (parameter_name == "classification") return TakeFirst(cursor_, members.classification);
      if (JsonValue* member = members.shared_memory.Find(parameter_name)) {
        return TakeFirst(cursor_, *member);
      }
      return SkipOne();
    });
  }

  JsonCursor cursor_;
  const size_t max_json_bytes_;
  base::BufferAllocator& allocator_;
  const Real16Json real16_;
  core::InferRequest& request_;
  HttpTensors tensors_;
  bool seen_id_ = false;
  bool seen_parameters_ = false;
  bool seen_inputs_ = false;
  bool seen_outputs_ = false;
  Status id_error_;
  Status parameter_error_;
  Status input_error_;
  Status output_error_;
};

// Bytes of JSON in front of the binary tail. As Triton reads the header: an optional sign and the
// leading digits count, a text without any is 0.
base::Result<size_t> JsonSize(std::optional<std::string_view> header_length, size_t body_size) {
  if (!header_length) return body_size;
  std::string_view text = *header_length;
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t size = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  const bool too_large = parsed.ec == std::errc::result_out_of_range || size > body_size;
  if (too_large || (is_negative && size > 0)) {
    return InvalidArgument(Join({"inference header size should be in range (0, ",
                                 std::to_string(body_size), "), got: ", *header_length}));
  }
  return static_cast<size_t>(size);
}

}  // namespace

Status ReadHttpInferRequest(const base::BufferRef& body, size_t size,
                            std::optional<std::string_view> header_length, size_t max_json_bytes,
                            base::BufferAllocator& allocator, const core::ModelPlan* plan,
                            core::InferRequest& request, Real16Json real16,
                            core::RegionSource* regions) {
  request.body = body;
  const std::string_view text =
      body ? std::string_view(reinterpret_cast<const char*>(body->data()), size)
           : std::string_view();
  ASSIGN_OR_RETURN(const size_t json_size, JsonSize(header_length, size));
  if (json_size == 0) {
    return ReadRawInferRequest(text, max_json_bytes, allocator, plan, request);
  }
  if (json_size > max_json_bytes) return JsonTooLarge(json_size, max_json_bytes);
  return BodyReader(text.substr(0, json_size), text.substr(json_size), max_json_bytes, allocator,
                    real16, request, regions)
      .Read();
}

}  // namespace serving::protocol
