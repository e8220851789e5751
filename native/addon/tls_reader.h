// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "addon/values.h"
#include "net/tls_context.h"

namespace serving::addon {

// `TlsOptions` of src/addon/listen-options.ts. What is wrong is left in the reader's status.
net::TlsOptions ReadTls(ObjectReader& reader);

}  // namespace serving::addon
