// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/onnxruntime/library.h"
#include "backend/onnxruntime/settings.h"
#include "base/status.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace serving::backend::ort {

// An input or output as the model file declares it.
struct Port {
  std::string name;
  ValueKind kind = kTensor;
  int element_type = 0;  // of ONNX; tensors only
  tensor::Shape
      dims;  // -1 for free and symbolic dimensions; rank 0 also when the file does not say
};

// One model file in ONNX Runtime. Run is thread-safe, so that instances may share one; two threads
// that do take 1.3 us more CPU per run (a 64-128-64-10 MLP, one row: 3.8 us with a session
// each, 5.2 shared), since they meet at its arena.
class Session {
 public:
  // Fails with the library's reason, without folder names.
  static base::Result<std::shared_ptr<const Session>> Open(std::shared_ptr<const Library> library,
                                                           const std::string& model_file,
                                                           const SessionSettings& settings);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  const Library& library() const { return *library_; }
  const std::shared_ptr<const Library>& shared_library() const { return library_; }
  const Api& api() const { return library_->api(); }
  RawSession* raw() const { return raw_; }
  // What its arena has taken from the system: weights and working memory. Nothing without an arena,
  // and of libraries that do not say. While it runs, too.
  std::optional<size_t> AllocatedBytes() const;
  // In the model's order.
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  // Inputs with a value in the file, which a caller may leave out.
  const std::vector<Port>& initializers() const { return initializers_; }

 private:
  explicit Session(std::shared_ptr<const Library> library) : library_(std::move(library)) {}
  base::Status ReadPorts();

  const std::shared_ptr<const Library> library_;
  RawSession* raw_ = nullptr;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  std::vector<Port> initializers_;
};

// The port's datatype in the protocol; nothing for values that are no tensors and types that KServe
// v2 has not.
std::optional<tensor::DataType> DataTypeOf(const Port& port);

// `a sequence`, `a tensor of COMPLEX64`: for error texts.
std::string DescribeType(const Port& port);

}  // namespace serving::backend::ort
