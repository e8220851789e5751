// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include "backend/backend.h"

namespace serving::backend {

// `backend: "identity"`: output i is input i, without a copy where the request ran alone. Needs as
// many outputs as inputs, of the same types and dimensions.
std::unique_ptr<Backend> MakeIdentityBackend();

}  // namespace serving::backend
