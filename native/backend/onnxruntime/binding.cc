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

// Ragged inputs reach the model in one dimension, in Triton's words.
base::Status CheckRagged(const core::ModelPlan& plan, const core::TensorPlan& wanted,
                         const Port& port) {
  const std::string begin = "unable to load model '" + plan.name +
                            "', configuration expects model provides input with shape [-1]";
  if (wanted.optional) {
    return base::InvalidArgument(begin + " for ragged input '" + port.name +
                                 "', which is not supported for optional input");
  }
  if (port.dims.rank() == 1 && port.dims[0] == -1) return {};
  return base::InvalidArgument(begin + "  for ragged input '" + port.name + "', model provides " +
                               port.dims.ToString());
}

base::Result<const Port*> FindInput(std::span<const Port> allowed, const std::string& name) {
  if (const Port* port = FindPort(allowed, name)) return port;
  return base::InvalidArgument("unexpected inference input '" + name +
                               "', allowed inputs are: " + NamesOf(allowed));
}

// Tensors that the server makes from the batch.
base::Status BindBatchInputs(const core::ModelPlan& plan, std::span<const Port> allowed,
                             std::vector<BoundTensor>& bound) {
  for (const core::BatchInputPlan& input : plan.batch_inputs) {
    core::TensorPlan wanted;
    wanted.tensor.data_type = input.data_type;
    ASSIGN_OR_RETURN(const Port* port, FindInput(allowed, input.name));
    RETURN_IF_ERROR(CheckType(plan, wanted, *port, "input"));
    bound.push_back(Bind(wanted, *port));
  }
  return {};
}

}  // namespace

base::Result<std::vector<BoundTensor>> BindInputs(const core::ModelPlan& plan,
                                                  const Session& session) {
  std::vector<Port> allowed = session.inputs();
  allowed.insert(allowed.end(), session.initializers().begin(), session.initializers().end());
  const auto is_planned = [&plan](const Port& port) {
    return std::ranges::any_of(plan.inputs,
                               [&](const auto& input) { return input.tensor.name == port.name; }) ||
           std::ranges::find(plan.batch_inputs, port.name, &core::BatchInputPlan::name) !=
               plan.batch_inputs.end();
  };
  std::vector<BoundTensor> bound;
  for (const core::TensorPlan& input : plan.inputs) {
    ASSIGN_OR_RETURN(const Port* port, FindInput(allowed, input.tensor.name));
    RETURN_IF_ERROR(CheckType(plan, input, *port, "input"));
    if (input.is_ragged) {
      RETURN_IF_ERROR(CheckRagged(plan, input, *port));
      // Elements in one dimension have no shape to change.
      bound.push_back(Bind(input, *port));
      bound.back().reshape.reset();
      continue;
    }
    RETURN_IF_ERROR(CheckReshape(plan, input));
    RETURN_IF_ERROR(CheckDims(plan, input, *port));
    bound.push_back(Bind(input, *port));
  }
  RETURN_IF_ERROR(BindBatchInputs(plan, allowed, bound));
  if (!std::ranges::all_of(session.inputs(), is_planned)) {
    return base::InvalidArgument(
        "unable to load model '" + plan.name + "', configuration expects " +
        std::to_string(plan.inputs.size() + plan.batch_inputs.size()) + " inputs, model provides " +
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
    const bool is_scattered = output.scattered_by.has_value();
    if (port->dims.rank() != 0 && !is_scattered) RETURN_IF_ERROR(CheckDims(plan, output, *port));
    bound.push_back(Bind(output, *port));
    if (is_scattered) {
      bound.back().reshape.reset();
      bound.back().has_fixed_shape = false;
    }
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
