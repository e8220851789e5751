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

bool IsFatal(const Failure& failure) {
  constexpr int kEngineError = 5;  // OrtErrorCode, ORT_ENGINE_ERROR and ORT_EP_FAIL
  constexpr int kProviderFailed = 11;
  if (failure.code == kEngineError || failure.code == kProviderFailed) return true;
  // `CUDA failure 700: an illegal memory access was encountered`, with one of several codes.
  constexpr std::string_view kCuda = "CUDA failure ";
  const size_t at = failure.message.find(kCuda);
  if (at == std::string::npos) return false;
  return !std::string_view(failure.message).substr(at + kCuda.size()).starts_with("2:");
}

base::Status ToStatus(const Api& api, Status* raw) {
  return raw == nullptr ? base::Status() : ToStatus(TakeFailure(api, raw));
}

base::Status ToStatus(const Failure& failure) {
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
