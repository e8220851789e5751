// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace serving::fuzz {

// Takes any bytes; aborts with a sentence when a promise of the code under test is broken.
using TargetFunction = void (*)(std::span<const uint8_t> data);

struct Target {
  std::string_view name;
  TargetFunction run;
};

std::span<const Target> AllTargets();
// Null for an unknown name.
TargetFunction FindTarget(std::string_view name);

// access_targets.cc
void FuzzAccess(std::span<const uint8_t> data);
void FuzzPattern(std::span<const uint8_t> data);

// parser_targets.cc
void FuzzHttp1Head(std::span<const uint8_t> data);
void FuzzChunked(std::span<const uint8_t> data);
void FuzzRoute(std::span<const uint8_t> data);

// codec_targets.cc
void FuzzHttpJson(std::span<const uint8_t> data);
void FuzzHttpBinary(std::span<const uint8_t> data);
void FuzzGenerate(std::span<const uint8_t> data);
void FuzzGrpcInfer(std::span<const uint8_t> data);
void FuzzContentCoding(std::span<const uint8_t> data);

// connection_targets.cc
void FuzzHttp1(std::span<const uint8_t> data);
void FuzzHttp2(std::span<const uint8_t> data);

}  // namespace serving::fuzz
