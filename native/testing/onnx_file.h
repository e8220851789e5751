// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace serving::testing {

// Writes small ONNX files (onnx.proto: ModelProto) for tests. Element types are ONNX's numbers,
// dimensions -1 are written as symbolic.
class OnnxFile {
 public:
  OnnxFile& Input(std::string_view name, int element_type, const std::vector<int64_t>& dims);
  OnnxFile& Output(std::string_view name, int element_type, const std::vector<int64_t>& dims);
  // An output that is a sequence of tensors of this type.
  OnnxFile& SequenceOutput(std::string_view name, int element_type);
  // A default for the input of that name, whose bytes are `raw`.
  OnnxFile& Initializer(std::string_view name, int element_type, const std::vector<int64_t>& dims,
                        std::string_view raw);
  OnnxFile& Node(std::string_view type, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs);
  // The last node gets a name, which errors of its runs quote.
  OnnxFile& NodeName(std::string_view name);
  // The last node gets `name = value`.
  OnnxFile& IntAttribute(std::string_view name, int64_t value);

  std::string Bytes() const;

 private:
  std::vector<std::string> nodes_;
  std::string rest_of_graph_;
};

// A file in a fresh folder under the system's folder for temporary files; removed with its owner.
class TemporaryFile {
 public:
  TemporaryFile(std::string_view name, std::string_view bytes);
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();

  const std::string& path() const { return path_; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace serving::testing
