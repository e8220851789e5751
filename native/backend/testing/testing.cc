// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/testing/testing.h"

#include "backend/testing/test_model.h"

namespace serving::backend {

std::vector<std::unique_ptr<Backend>> MakeTestBackends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(MakeSleepBackend());
  backends.push_back(MakeGateBackend());
  backends.push_back(MakeBurstBackend());
  backends.push_back(MakePoisonBackend());
  backends.push_back(MakeStreamBackend());
  backends.push_back(MakeParametersBackend());
  backends.push_back(MakeSequenceBackend());
  return backends;
}

}  // namespace serving::backend
