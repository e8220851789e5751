// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_error.h"

#include "protocol/json_writer.h"
#include "protocol/utf8.h"

namespace serving::protocol {

void AppendHttpError(std::string& out, std::string_view message) {
  const std::string text = ToUtf8(message);
  out.append("{\"error\":");
  const size_t start = out.size();
  out.resize(start + JsonStringCapacity(text));
  const char* end = WriteJsonString(text, out.data() + start);
  out.resize(static_cast<size_t>(end - out.data()));
  out += '}';
}

}  // namespace serving::protocol
