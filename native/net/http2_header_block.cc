// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_header_block.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

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
  const size_t more = name.size() + value.size();
  if (more > capacity_ - size_) Grow(more);
  char* const at = text_.get() + size_;
  if (!name.empty()) std::memcpy(at, name.data(), name.size());
  if (!value.empty()) std::memcpy(at + name.size(), value.data(), value.size());
  fields_.push_back({static_cast<uint32_t>(size_), static_cast<uint32_t>(name.size()),
                     static_cast<uint32_t>(value.size())});
  size_ += more;
}

void Http2HeaderBlock::Grow(size_t more) {
  capacity_ = std::max({2 * capacity_, size_ + more, kFirstBytes});
  auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
  if (size_ > 0) std::memcpy(larger.get(), text_.get(), size_);
  text_ = std::move(larger);
}

void Http2HeaderBlock::MakeHead(RequestHead& head, std::vector<Header>& headers) const {
  std::string_view authority;
  headers.clear();
  for (const Field& field : fields_) {
    const char* const at = text_.get() + field.start;
    const std::string_view name(at, field.name_size);
    const std::string_view value(at + field.name_size, field.value_size);
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
