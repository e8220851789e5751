// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/targets.h"

#include <algorithm>

namespace serving::fuzz {

std::span<const Target> AllTargets() {
  static constexpr Target kTargets[] = {
      {"access", FuzzAccess},      {"pattern", FuzzPattern},
      {"chunked", FuzzChunked},    {"content_coding", FuzzContentCoding},
      {"generate", FuzzGenerate},  {"grpc_infer", FuzzGrpcInfer},
      {"http1", FuzzHttp1},        {"http1_head", FuzzHttp1Head},
      {"http2", FuzzHttp2},        {"http_binary", FuzzHttpBinary},
      {"http_json", FuzzHttpJson}, {"route", FuzzRoute},
  };
  return kTargets;
}

TargetFunction FindTarget(std::string_view name) {
  const auto found = std::ranges::find(AllTargets(), name, &Target::name);
  return found == AllTargets().end() ? nullptr : found->run;
}

}  // namespace serving::fuzz
