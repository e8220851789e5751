// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_access.h"

#include <string>

#include "protocol/json_number.h"
#include "protocol/request_parts.h"

namespace serving::protocol {

base::Status Unable(std::string_view member, Access access, std::string_view verb) {
  const std::string start = Join({"Unable to ", verb, " '", member, "': attempt to access "});
  switch (access) {
    case Access::kMissing:
      return base::InvalidArgument(Join({start, "non-existing object member '", member, "'"}));
    case Access::kString:
      return base::InvalidArgument(start + "JSON non-string as string");
    case Access::kArray:
      return base::InvalidArgument(start + "JSON non-array as array");
    case Access::kBoolean:
      return base::InvalidArgument(start + "JSON non-boolean as boolean");
    case Access::kUnsigned:
      break;
  }
  return base::InvalidArgument(start + "JSON non-unsigned-integer as unsigned-integer");
}

base::Status TakeJsonFlag(std::string_view name, const JsonValue& value, bool& flag) {
  if (value.text() != "true" && value.text() != "false") return Unable(name, Access::kBoolean);
  flag = value.text() == "true";
  return {};
}

base::Status TakeJsonUnsigned(std::string_view name, const JsonValue& value, uint64_t& field) {
  const auto number = AsUnsigned(ReadJsonNumber(value.text()));
  if (!number) return Unable(name, Access::kUnsigned);
  field = *number;
  return {};
}

base::Status ReadJsonShape(const JsonValue& text, tensor::Shape& shape) {
  JsonCursor cursor(text.text());
  base::Status status;
  cursor.WalkArray([&] {
    JsonValue dim;
    if (!cursor.SkipValue(dim)) return false;
    uint64_t value = 0;
    status = TakeJsonUnsigned("shape", dim, value);
    if (status.ok() && !shape.Append(static_cast<int64_t>(value))) {
      status =
          base::InvalidArgument(Join({"Unable to parse 'shape': more than ",
                                      std::to_string(tensor::Shape::kMaxRank), " dimensions"}));
    }
    return status.ok();
  });
  return status;
}

bool ReadJsonShapeFast(const JsonValue& text, tensor::Shape& shape) {
  shape.Clear();
  const char* at = text.begin;
  do {
    uint64_t dim = 0;
    at = ReadUnsignedFast(SkipJsonSpace(at + 1, text.end), text.end, dim);
    if (at == nullptr || !shape.Append(static_cast<int64_t>(dim))) return false;
    at = SkipJsonSpace(at, text.end);
  } while (*at == ',');
  return true;
}

std::optional<size_t> PossibleCount(const tensor::Shape& shape, size_t text_bytes) {
  const auto count = shape.ElementCount();
  if (!count || static_cast<uint64_t>(*count) > text_bytes / 2) return std::nullopt;
  return static_cast<size_t>(*count);
}

}  // namespace serving::protocol
