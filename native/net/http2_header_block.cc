// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_header_block.h"

#include <charconv>

namespace serving::net {
namespace {

bool ParseLength(std::string_view text, uint64_t& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void Http2HeaderBlock::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  if (is_too_large()) return;
  Field field;
  field.name_start = static_cast<uint32_t>(text_.size());
  field.name_size = static_cast<uint32_t>(name.size());
  text_ += name;
  field.value_start = static_cast<uint32_t>(text_.size());
  field.value_size = static_cast<uint32_t>(value.size());
  text_ += value;
  fields_.push_back(field);
}

void Http2HeaderBlock::MakeHead(RequestHead& head, std::vector<Header>& headers) const {
  std::string_view authority;
  headers.clear();
  const std::string_view text = text_;
  for (const Field& field : fields_) {
    const std::string_view name = text.substr(field.name_start, field.name_size);
    const std::string_view value = text.substr(field.value_start, field.value_size);
    if (name.starts_with(':')) {
      if (name == ":method") {
        head.method = value;
      } else if (name == ":path") {
        const size_t question = value.find('?');
        head.path = value.substr(0, question);
        if (question != std::string_view::npos) head.query = value.substr(question + 1);
      } else if (name == ":authority") {
        authority = value;
      }
      continue;
    }
    if (name == "host") authority = {};
    uint64_t length;
    if (name == "content-length" && ParseLength(value, length)) head.content_length = length;
    headers.push_back({name, value});
  }
  if (!authority.empty()) headers.push_back({"host", authority});
  head.headers = headers;
}

}  // namespace serving::net
