// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

namespace serving::protocol {

// Appends {"error":"…"}; bytes that are no UTF-8 become U+FFFD, so that any client can parse it.
void AppendHttpError(std::string& out, std::string_view message);

}  // namespace serving::protocol
