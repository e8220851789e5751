// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/testing/flat_json.h"

#include <charconv>
#include <utility>

namespace serving::backend {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Take(char expected) {
    Skip();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    Skip();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string> TakeString() {
    if (!Take('"')) return std::nullopt;
    const size_t end = rest_.find_first_of("\"\\");
    if (end == std::string_view::npos || rest_[end] == '\\') return std::nullopt;
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::optional<int64_t> TakeNumber() {
    Skip();
    int64_t value = 0;
    const auto end = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (end.ec != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<size_t>(end.ptr - rest_.data()));
    return value;
  }
  bool AtEnd() {
    Skip();
    return rest_.empty();
  }

 private:
  void Skip() {
    const size_t start = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
  }

  std::string_view rest_;
};

base::Status Unreadable() {
  return base::InvalidArgument(
      "a test control is one JSON object of whole numbers, booleans and strings without escapes");
}

base::Status WrongType(const std::string& name, const char* expected) {
  return base::InvalidArgument("member '" + name + "' of a test control is not " + expected);
}

}  // namespace

base::Result<FlatJson> FlatJson::Parse(std::string_view text) {
  FlatJson json;
  Reader reader(text);
  if (!reader.Take('{')) return Unreadable();
  if (reader.Take('}')) return reader.AtEnd() ? base::Result(std::move(json)) : Unreadable();
  do {
    const auto name = reader.TakeString();
    if (!name || !reader.Take(':')) return Unreadable();
    auto& member = json.members_[*name];
    if (auto text_value = reader.TakeString()) {
      member = std::move(*text_value);
    } else if (reader.TakeWord("true")) {
      member = true;
    } else if (reader.TakeWord("false")) {
      member = false;
    } else if (const auto number = reader.TakeNumber()) {
      member = *number;
    } else {
      return Unreadable();
    }
  } while (reader.Take(','));
  if (!reader.Take('}') || !reader.AtEnd()) return Unreadable();
  return json;
}

base::Result<int64_t> FlatJson::Count(const std::string& name, int64_t fallback) const {
  const auto found = members_.find(name);
  if (found == members_.end()) return fallback;
  const int64_t* number = std::get_if<int64_t>(&found->second);
  if (number == nullptr || *number < 0) return WrongType(name, "a whole number of 0 or more");
  return *number;
}

base::Result<std::string> FlatJson::Text(const std::string& name, std::string fallback) const {
  const auto found = members_.find(name);
  if (found == members_.end()) return fallback;
  const std::string* value = std::get_if<std::string>(&found->second);
  if (value == nullptr) return WrongType(name, "a string");
  return *value;
}

}  // namespace serving::backend
