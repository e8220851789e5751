// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_output.h"

#include <span>

#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {

using tensor::DataType;

base::Status AppendJsonTensor(ResponseWriter& out, const core::OutputTensor& output,
                              std::string_view name, JsonForm form) {
  const std::span<const std::byte> data(output.view.data, output.view.size);
  if (output.data_type == DataType::kFp16 || output.data_type == DataType::kBf16) {
    return base::InvalidArgument(
        Join({"sending ", tensor::WireName(output.data_type),
              " data via JSON is not supported. Please use the binary data format for output"}));
  }
  if (output.data_type != DataType::kBytes) {
    AppendJsonNumbers(out, output.data_type, data, form);
    return {};
  }
  if (AppendJsonBytes(out, data, form)) return {};
  return base::InvalidArgument(Join({"output '", name,
                                     "' has elements that are not UTF-8 and can not be sent via "
                                     "JSON. Please use the binary data format for output"}));
}

}  // namespace serving::protocol
