// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/targets.h"

namespace serving::fuzz {
namespace {

class Replay : public testing::TestWithParam<Target> {};

// Each input of the corpus, and each with its end cut off and a byte changed.
TEST_P(Replay, BreaksNoPromise) {
  const std::filesystem::path folder = std::filesystem::path(NEREID_FUZZ_CORPUS) / GetParam().name;
  size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::vector<uint8_t> data((std::istreambuf_iterator<char>(file)),
                              std::istreambuf_iterator<char>());
    SCOPED_TRACE(entry.path().filename().string());
    GetParam().run(data);
    if (data.empty()) continue;
    GetParam().run(std::span(data).first(data.size() / 2));
    data[data.size() / 2] ^= 0x55;
    GetParam().run(data);
    ++inputs;
  }
  EXPECT_GT(inputs, 3u);
}

INSTANTIATE_TEST_SUITE_P(Corpus, Replay,
                         testing::ValuesIn(AllTargets().begin(), AllTargets().end()),
                         [](const testing::TestParamInfo<Target>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace serving::fuzz
