// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/onnx_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/check.h"

namespace serving::testing {
namespace {

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::string Number(int field, uint64_t value) {
  std::string out;
  AppendVarint(out, static_cast<uint64_t>(field) << 3);
  AppendVarint(out, value);
  return out;
}

std::string Message(int field, std::string_view bytes) {
  std::string out;
  AppendVarint(out, (static_cast<uint64_t>(field) << 3) | 2);
  AppendVarint(out, bytes.size());
  return out.append(bytes);
}

// TypeProto.Tensor: elem_type 1, shape 2 { dim 1 { dim_value 1 | dim_param 2 } }
std::string TensorType(int element_type, const std::vector<int64_t>* dims) {
  std::string tensor = Number(1, static_cast<uint64_t>(element_type));
  if (dims == nullptr) return tensor;
  std::string shape;
  for (size_t i = 0; i < dims->size(); ++i) {
    const int64_t dim = (*dims)[i];
    shape += Message(1, dim < 0 ? Message(2, "free_" + std::to_string(i))
                                : Number(1, static_cast<uint64_t>(dim)));
  }
  return tensor + Message(2, shape);
}

// ValueInfoProto: name 1, type 2 { tensor_type 1 }
std::string ValueInfo(std::string_view name, std::string_view type) {
  return Message(1, name) + Message(2, type);
}

}  // namespace

OnnxFile& OnnxFile::Input(std::string_view name, int element_type,
                          const std::vector<int64_t>& dims) {
  rest_of_graph_ += Message(11, ValueInfo(name, Message(1, TensorType(element_type, &dims))));
  return *this;
}

OnnxFile& OnnxFile::Output(std::string_view name, int element_type,
                           const std::vector<int64_t>& dims) {
  rest_of_graph_ += Message(12, ValueInfo(name, Message(1, TensorType(element_type, &dims))));
  return *this;
}

OnnxFile& OnnxFile::SequenceOutput(std::string_view name, int element_type) {
  const std::string element = Message(1, TensorType(element_type, nullptr));
  rest_of_graph_ += Message(12, ValueInfo(name, Message(4, Message(1, element))));
  return *this;
}

OnnxFile& OnnxFile::Initializer(std::string_view name, int element_type,
                                const std::vector<int64_t>& dims, std::string_view raw) {
  std::string tensor;  // TensorProto: dims 1, data_type 2, name 8, raw_data 9
  for (const int64_t dim : dims) tensor += Number(1, static_cast<uint64_t>(dim));
  tensor += Number(2, static_cast<uint64_t>(element_type));
  rest_of_graph_ += Message(5, tensor + Message(8, name) + Message(9, raw));
  return *this;
}

OnnxFile& OnnxFile::Node(std::string_view type, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& outputs) {
  std::string node;  // NodeProto: input 1, output 2, name 3, op_type 4, attribute 5
  for (const std::string& input : inputs) node += Message(1, input);
  for (const std::string& output : outputs) node += Message(2, output);
  nodes_.push_back(node + Message(4, type));
  return *this;
}

OnnxFile& OnnxFile::NodeName(std::string_view name) {
  nodes_.back() += Message(3, name);
  return *this;
}

OnnxFile& OnnxFile::IntAttribute(std::string_view name, int64_t value) {
  // AttributeProto: name 1, i 3, type 20 (INT = 2)
  nodes_.back() +=
      Message(5, Message(1, name) + Number(3, static_cast<uint64_t>(value)) + Number(20, 2));
  return *this;
}

std::string OnnxFile::Bytes() const {
  std::string graph;
  for (const std::string& node : nodes_) graph += Message(1, node);
  graph += Message(2, "test") + rest_of_graph_;
  const std::string opset = Message(1, "") + Number(2, 19);
  return Number(1, 9) + Message(7, graph) + Message(8, opset);
}

TemporaryFile::TemporaryFile(std::string_view name, std::string_view bytes) {
  std::string folder = (std::filesystem::temp_directory_path() / "nereid-XXXXXX").string();
  SERVING_CHECK(mkdtemp(folder.data()) != nullptr, "no folder for temporary files");
  folder_ = folder;
  path_ = folder + "/" + std::string(name);
  std::ofstream(path_, std::ios::binary) << bytes;
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace serving::testing
