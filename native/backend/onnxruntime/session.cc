// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/session.h"

#include <charconv>
#include <cstring>
#include <utility>

#include "backend/onnxruntime/element_type.h"
#include "backend/onnxruntime/error.h"

namespace serving::backend::ort {
namespace {

// The three calls that list one kind of port.
struct PortList {
  Status* (*count)(const RawSession*, size_t*);
  Status* (*name)(const RawSession*, size_t, Allocator*, char**);
  Status* (*type)(const RawSession*, size_t, TypeInfo**);
};

base::Result<SessionOptions*> MakeOptions(const Api& api, const SessionSettings& settings) {
  SessionOptions* raw = nullptr;
  RETURN_IF_ORT_ERROR(api, api.CreateSessionOptions(&raw));
  std::unique_ptr<SessionOptions, decltype(api.ReleaseSessionOptions)> options(
      raw, api.ReleaseSessionOptions);
  RETURN_IF_ORT_ERROR(api, api.SetIntraOpNumThreads(raw, settings.intra_op_threads));
  RETURN_IF_ORT_ERROR(api, api.SetInterOpNumThreads(raw, settings.inter_op_threads));
  RETURN_IF_ORT_ERROR(api, api.SetSessionExecutionMode(raw, settings.mode));
  RETURN_IF_ORT_ERROR(api, api.SetSessionGraphOptimizationLevel(raw, settings.level));
  if (!settings.mem_arena) RETURN_IF_ORT_ERROR(api, api.DisableCpuMemArena(raw));
  if (!settings.mem_pattern) RETURN_IF_ORT_ERROR(api, api.DisableMemPattern(raw));
  for (const auto& [key, value] : settings.entries) {
    RETURN_IF_ORT_ERROR(api, api.AddSessionConfigEntry(raw, key.c_str(), value.c_str()));
  }
  return options.release();
}

base::Status ReadType(const Api& api, const TypeInfo* type, Port& port) {
  RETURN_IF_ORT_ERROR(api, api.GetOnnxTypeFromTypeInfo(type, &port.kind));
  if (port.kind != kTensor) return {};
  const TensorInfo* info = nullptr;
  RETURN_IF_ORT_ERROR(api, api.CastTypeInfoToTensorInfo(type, &info));
  RETURN_IF_ORT_ERROR(api, api.GetTensorElementType(info, &port.element_type));
  size_t rank = 0;
  RETURN_IF_ORT_ERROR(api, api.GetDimensionsCount(info, &rank));
  if (rank > tensor::Shape::kMaxRank) {
    return base::InvalidArgument("onnxruntime: tensor '" + port.name + "' of the model has " +
                                 std::to_string(rank) + " dimensions, expected at most " +
                                 std::to_string(tensor::Shape::kMaxRank));
  }
  std::vector<int64_t> dims(rank);
  RETURN_IF_ORT_ERROR(api, api.GetDimensions(info, dims.data(), rank));
  for (const int64_t dim : dims) port.dims.Append(dim < 0 ? -1 : dim);
  return {};
}

base::Result<std::vector<Port>> ReadList(const Library& library, const RawSession* session,
                                         const PortList& list) {
  const Api& api = library.api();
  size_t count = 0;
  RETURN_IF_ORT_ERROR(api, list.count(session, &count));
  std::vector<Port> ports(count);
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    RETURN_IF_ORT_ERROR(api, list.name(session, i, library.allocator(), &name));
    ports[i].name = name;
    RETURN_IF_ORT_ERROR(api, api.AllocatorFree(library.allocator(), name));
    TypeInfo* type = nullptr;
    RETURN_IF_ORT_ERROR(api, list.type(session, i, &type));
    const base::Status status = ReadType(api, type, ports[i]);
    api.ReleaseTypeInfo(type);
    RETURN_IF_ERROR(status);
  }
  return ports;
}

// The library quotes the file by its full name, which is nobody's business on the other side of the
// network.
std::string WithoutPath(std::string text, const std::string& path) {
  if (path.empty()) return text;
  const std::string name = path.substr(path.rfind('/') + 1);
  for (size_t at = 0; (at = text.find(path, at)) != std::string::npos; at += name.size()) {
    text.replace(at, path.size(), name);
  }
  return text;
}

}  // namespace

base::Result<std::shared_ptr<const Session>> Session::Open(std::shared_ptr<const Library> library,
                                                           const std::string& model_file,
                                                           const SessionSettings& settings) {
  const Api& api = library->api();
  ASSIGN_OR_RETURN(SessionOptions * options, MakeOptions(api, settings));
  std::shared_ptr<Session> session(new Session(library));
  Status* failed = api.CreateSession(library->env(), model_file.c_str(), options, &session->raw_);
  api.ReleaseSessionOptions(options);
  if (failed != nullptr) {
    const int code = api.GetErrorCode(failed);
    const std::string reason = WithoutFolders(WithoutPath(api.GetErrorMessage(failed), model_file));
    api.ReleaseStatus(failed);
    return base::Internal("onnx runtime error " + std::to_string(code) + ": " + reason);
  }
  RETURN_IF_ERROR(session->ReadPorts());
  return std::shared_ptr<const Session>(std::move(session));
}

base::Status Session::ReadPorts() {
  const Api& a = api();
  ASSIGN_OR_RETURN(inputs_, ReadList(*library_, raw_,
                                     {a.SessionGetInputCount, a.SessionGetInputName,
                                      a.SessionGetInputTypeInfo}));
  ASSIGN_OR_RETURN(outputs_, ReadList(*library_, raw_,
                                      {a.SessionGetOutputCount, a.SessionGetOutputName,
                                       a.SessionGetOutputTypeInfo}));
  ASSIGN_OR_RETURN(initializers_, ReadList(*library_, raw_,
                                           {a.SessionGetOverridableInitializerCount,
                                            a.SessionGetOverridableInitializerName,
                                            a.SessionGetOverridableInitializerTypeInfo}));
  return {};
}

std::optional<size_t> Session::AllocatedBytes() const {
  if (!library_->tells_statistics()) return std::nullopt;
  const Api& a = api();
  Allocator* allocator = nullptr;
  KeyValuePairs* pairs = nullptr;
  if (!ToStatus(a, a.CreateAllocator(raw_, library_->host_memory(), &allocator)).ok()) {
    return std::nullopt;
  }
  std::optional<size_t> bytes;
  if (ToStatus(a, a.AllocatorGetStats(allocator, &pairs)).ok()) {
    const char* const text = a.GetKeyValue(pairs, "TotalAllocated");
    size_t total = 0;
    if (text != nullptr &&
        std::from_chars(text, text + std::strlen(text), total).ec == std::errc()) {
      bytes = total;
    }
    a.ReleaseKeyValuePairs(pairs);
  }
  a.ReleaseAllocator(allocator);
  return bytes;
}

Session::~Session() {
  if (raw_ != nullptr) api().ReleaseSession(raw_);
}

std::optional<tensor::DataType> DataTypeOf(const Port& port) {
  if (port.kind != kTensor) return std::nullopt;
  return FromElementType(port.element_type);
}

std::string DescribeType(const Port& port) {
  switch (port.kind) {
    case kTensor:
      return "a tensor of " + ElementTypeName(port.element_type);
    case kSequence:
      return "a sequence";
    case kMap:
      return "a map";
    case kSparseTensor:
      return "a sparse tensor";
    case kOptional:
      return "an optional value";
    default:
      return "no tensor";
  }
}

}  // namespace serving::backend::ort
