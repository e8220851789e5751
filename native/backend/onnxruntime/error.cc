// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/error.h"

#include <algorithm>

namespace serving::backend::ort {

Failure TakeFailure(const Api& api, Status* raw) {
  Failure failure{api.GetErrorCode(raw), WithoutFolders(api.GetErrorMessage(raw))};
  api.ReleaseStatus(raw);
  return failure;
}

base::Status ToStatus(const Api& api, Status* raw) {
  if (raw == nullptr) return {};
  const Failure failure = TakeFailure(api, raw);
  return base::Internal("onnx runtime error " + std::to_string(failure.code) + ": " +
                        failure.message);
}

std::string WithoutFolders(std::string_view text) {
  constexpr std::string_view kBreaks = " \t\n\"'`()[]<>,;:=";
  std::string cleaned;
  size_t at = 0;
  while (at < text.size()) {
    const size_t start = text.find_first_not_of(kBreaks, at);
    cleaned.append(text.substr(at, start == std::string_view::npos ? start : start - at));
    if (start == std::string_view::npos) break;
    const size_t end = std::min(text.find_first_of(kBreaks, start), text.size());
    std::string_view word = text.substr(start, end - start);
    // Only absolute names tell anything of this machine. `Name:'/encoder/Conv'` is a node of the
    // model.
    const bool is_node = cleaned.ends_with("Name:'");
    if (!is_node && word.front() == '/' && word.find('/', 1) != std::string_view::npos) {
      word.remove_prefix(word.rfind('/') + 1);
    }
    cleaned.append(word);
    at = end;
  }
  return cleaned;
}

}  // namespace serving::backend::ort
