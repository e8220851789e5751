// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace serving::core {

// Text that must live as long as a request and is nowhere in its body as such (unescaped JSON
// strings). The first kilobyte is kept over resets, so ordinary requests never allocate.
class TextArena {
 public:
  // A place for `size` characters, valid until Reset.
  char* Allocate(size_t size) {
    if (size <= sizeof(first_) - used_) {
      char* place = first_ + used_;
      used_ += size;
      return place;
    }
    more_.push_back(std::make_unique_for_overwrite<char[]>(std::max<size_t>(size, 1)));
    return more_.back().get();
  }
  std::string_view Keep(std::string_view text) {
    if (text.empty()) return {};
    char* place = Allocate(text.size());
    std::memcpy(place, text.data(), text.size());
    return {place, text.size()};
  }
  void Reset() {
    used_ = 0;
    more_.clear();
  }

 private:
  char first_[1024];
  size_t used_ = 0;
  std::vector<std::unique_ptr<char[]>> more_;
};

}  // namespace serving::core
