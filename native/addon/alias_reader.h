// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include "base/status.h"
#include "frontend/route_alias.h"

namespace serving::addon {

// RouteAliases of src/addon/routes.ts.
base::Result<frontend::RouteAliasesRef> ReadAliases(Napi::Value value);

}  // namespace serving::addon
