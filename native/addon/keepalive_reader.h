// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "addon/values.h"
#include "net/keepalive.h"

namespace serving::addon {

// Reads `keepalive` of ListenOptions; times in milliseconds.
net::KeepaliveOptions ReadKeepalive(ObjectReader& reader);

}  // namespace serving::addon
