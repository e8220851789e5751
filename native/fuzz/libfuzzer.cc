// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// One target under libFuzzer: fuzz_<target> [corpus folder] [-max_total_time=600] …

#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data,
                                                                             size_t size) {
  static const serving::fuzz::TargetFunction run = serving::fuzz::FindTarget(NEREID_FUZZ_TARGET);
  run({data, size});
  return 0;
}
