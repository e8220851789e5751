// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

namespace serving::protocol {

// Appends the value of a grpc-message trailer: every byte but printable ASCII, and '%',
// percent-encoded (gRPC over HTTP/2, Status-Message). Messages are cut after 4 KiB so that the
// trailer fits clients' header limits.
void AppendGrpcMessage(std::string& out, std::string_view message);

}  // namespace serving::protocol
