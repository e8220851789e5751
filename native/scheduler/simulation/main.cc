// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// scheduler_simulation EVENTS SEED: runs worlds, says every ten million events how far it is. Exit
// code 1 and a line that names the seed when something was wrong.

#include <cstdio>
#include <cstdlib>

#include "scheduler/simulation/world.h"

int main(int argc, char** argv) {
  using serving::scheduler::simulation::Subject;
  if (argc != 3) return 2;
  const uint64_t events = std::strtoull(argv[1], nullptr, 10);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  constexpr uint64_t kProgress = 10'000'000;
  uint64_t said = 0;
  Subject subject;
  const auto outcome =
      serving::scheduler::simulation::Simulate(subject, seed, events, [&](uint64_t done) {
        if (done / kProgress == said) return;
        said = done / kProgress;
        std::printf("%llu events\n", static_cast<unsigned long long>(done));
        std::fflush(stdout);
      });
  const auto last = static_cast<unsigned long long>(outcome.seed);
  if (!outcome.wrong.empty()) {
    std::printf("seed %llu: %s\n", last, outcome.wrong.c_str());
    return 1;
  }
  std::printf("%llu events in %llu worlds, nothing wrong\n",
              static_cast<unsigned long long>(outcome.events), last - seed);
  return 0;
}
