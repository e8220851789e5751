// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/binding.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace serving::backend::ort {
namespace {

const Port* FindPort(std::span<const Port> ports, const std::string& name) {
  const auto found = std::ranges::find(ports, name, &Port::name);
  return found == ports.end() ? nullptr : &*found;
}

std::string NamesOf(std::span<const Port> ports) {
  std::string names;
  for (const Port& port : ports) {
    if (!names.empty()) names += ", ";
    names += port.name;
  }
  return names;
}

// Dimensions as the model sees them: the rows, then the reshaped or the plan's own.
tensor::Shape ModelDims(const core::ModelPlan& plan, const core::TensorPlan& wanted) {
  tensor::Shape full;
  if (plan.max_batch_size > 0) full.Append(-1);
  const tensor::Shape& dims = wanted.reshape ? *wanted.reshape : wanted.tensor.dims;
  for (const int64_t dim : dims.dims()) full.Append(dim);
  return full;
}

bool Fits(const tensor::Shape& model, const tensor::Shape& planned) {
  if (model.rank() != planned.rank()) return false;
  for (size_t i = 0; i < model.rank(); ++i) {
    if (model[i] != -1 && model[i] != planned[i]) return false;
  }
  return true;
}

base::Status CheckDims(const core::ModelPlan& plan, const core::TensorPlan& wanted,
                       const Port& port) {
  const std::string tensor = "model '" + plan.name + "', tensor '" + port.name + "': ";
  if (plan.max_batch_size > 0 && (port.dims.rank() == 0 || port.dims[0] != -1)) {
    return base::InvalidArgument(tensor +
                                 "for the model to support batching the shape should have at least "
                                 "1 dimension and the first "
                                 "dimension must be -1; but shape expected by the model is " +
                                 port.dims.ToString());
  }
  const tensor::Shape planned = ModelDims(plan, wanted);
  if (Fits(port.dims, planned)) return {};
  std::string text = tensor + "the model expects " + std::to_string(port.dims.rank()) +
                     " dimensions (shape " + port.dims.ToString() +
                     ") but the model configuration specifies " + std::to_string(planned.rank()) +
                     " dimensions (";
  if (plan.max_batch_size > 0) {
    text +=
        "an initial batch dimension because max_batch_size > 0 followed by the explicit tensor "
        "shape, making complete ";
  }
  return base::InvalidArgument(text + "shape " + planned.ToString() + ")");
}

base::Status CheckType(const core::ModelPlan& plan, const core::TensorPlan& wanted,
                       const Port& port, std::string_view direction) {
  const auto type = DataTypeOf(port);
  const std::string tensor = std::string(direction) + " '" + port.name + "'";
  if (!type) {
    return base::InvalidArgument("unable to load model '" + plan.name + "', " + tensor + " is " +
                                 DescribeType(port) + ", which the protocol has no datatype for");
  }
  if (*type == wanted.tensor.data_type) return {};
  return base::InvalidArgument("unable to load model '" + plan.name + "', unexpected datatype " +
                               std::string(tensor::WireName(*type)) + " for " + tensor +
                               ", expecting " +
                               std::string(tensor::WireName(wanted.tensor.data_type)));
}

size_t CountFree(const tensor::Shape& shape) {
  return static_cast<size_t>(std::ranges::count(shape.dims(), -1));
}

BoundTensor Bind(const core::TensorPlan& wanted, const Port& port) {
  return {.name = port.name,
          .data_type = wanted.tensor.data_type,
          .element_type = port.element_type,
          .dims = wanted.tensor.dims,
          .reshape = wanted.reshape,
          .has_fixed_shape = CountFree(wanted.tensor.dims) == 0};
}

base::Status CheckReshape(const core::ModelPlan& plan, const core::TensorPlan& wanted) {
  if (!wanted.reshape || CountFree(*wanted.reshape) == CountFree(wanted.tensor.dims)) return {};
  return base::InvalidArgument("model '" + plan.name + "', tensor '" + wanted.tensor.name +
                               "' has different number of variable-size dimensions for dims and "
                               "reshape");
}

}  // namespace

base::Result<std::vector<BoundTensor>> BindInputs(const core::ModelPlan& plan,
                                                  const Session& session) {
  std::vector<Port> allowed = session.inputs();
  allowed.insert(allowed.end(), session.initializers().begin(), session.initializers().end());
  const auto is_planned = [&plan](const Port& port) {
    return std::ranges::any_of(plan.inputs,
                               [&](const auto& input) { return input.tensor.name == port.name; });
  };
  std::vector<BoundTensor> bound;
  for (const core::TensorPlan& input : plan.inputs) {
    const Port* port = FindPort(allowed, input.tensor.name);
    if (port == nullptr) {
      return base::InvalidArgument("unexpected inference input '" + input.tensor.name +
                                   "', allowed inputs are: " + NamesOf(allowed));
    }
    RETURN_IF_ERROR(CheckType(plan, input, *port, "input"));
    RETURN_IF_ERROR(CheckReshape(plan, input));
    RETURN_IF_ERROR(CheckDims(plan, input, *port));
    bound.push_back(Bind(input, *port));
  }
  if (!std::ranges::all_of(session.inputs(), is_planned)) {
    return base::InvalidArgument("unable to load model '" + plan.name +
                                 "', configuration expects " + std::to_string(plan.inputs.size()) +
                                 " inputs, model provides " +
                                 std::to_string(session.inputs().size()));
  }
  return bound;
}

base::Result<std::vector<BoundTensor>> BindOutputs(const core::ModelPlan& plan,
                                                   const Session& session) {
  std::vector<BoundTensor> bound;
  for (const core::TensorPlan& output : plan.outputs) {
    const Port* port = FindPort(session.outputs(), output.tensor.name);
    if (port == nullptr) {
      return base::InvalidArgument("unexpected inference output '" + output.tensor.name +
                                   "', allowed outputs are: " + NamesOf(session.outputs()));
    }
    RETURN_IF_ERROR(CheckType(plan, output, *port, "output"));
    RETURN_IF_ERROR(CheckReshape(plan, output));
    // Rank 0 may mean that the file does not say: then the first run shows.
    if (port->dims.rank() != 0) RETURN_IF_ERROR(CheckDims(plan, output, *port));
    bound.push_back(Bind(output, *port));
  }
  return bound;
}

std::optional<tensor::Shape> Reshape(const tensor::Shape& actual, bool has_rows,
                                     const tensor::Shape& from, const tensor::Shape& to) {
  const size_t first = has_rows ? 1 : 0;
  if (actual.rank() != from.rank() + first) return std::nullopt;
  tensor::Shape free;
  for (size_t i = 0; i < from.rank(); ++i) {
    if (from[i] == -1) {
      free.Append(actual[i + first]);
    } else if (from[i] != actual[i + first]) {
      return std::nullopt;
    }
  }
  tensor::Shape result;
  if (has_rows) result.Append(actual[0]);
  size_t next = 0;
  for (const int64_t dim : to.dims()) {
    if (dim == -1 && next == free.rank()) return std::nullopt;
    if (!result.Append(dim == -1 ? free[next++] : dim)) return std::nullopt;
  }
  return result;
}

}  // namespace serving::backend::ort
