// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/onnxruntime.h"

#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "backend/onnxruntime/binding.h"
#include "backend/onnxruntime/instance.h"
#include "backend/onnxruntime/library.h"
#include "backend/onnxruntime/session.h"
#include "backend/onnxruntime/settings.h"

namespace serving::backend {
namespace {

using ort::Library;
using ort::Port;
using ort::Session;

// Weights of this size are worth a session of its own for every instance.
constexpr uintmax_t kMaxFilesOfOwnSessions = 32 << 20;

// The bytes of a version: the model file and what lies beside it, where large models keep their
// weights.
uintmax_t BytesBeside(const std::string& model_file) {
  uintmax_t bytes = 0;
  std::error_code error;
  const auto folder = std::filesystem::path(model_file).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const uintmax_t size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    if (!error) bytes += size;
  }
  return bytes;
}

class OrtModel final : public BackendModel {
 public:
  OrtModel(ort::LoadedModel model, std::shared_ptr<const Session> session, std::string model_file,
           const ort::SessionSettings& settings)
      : model_(std::move(model)),
        library_(session->shared_library()),
        session_(std::move(session)),
        model_file_(std::move(model_file)),
        settings_(settings),
        shares_session_(settings.share_sessions.value_or(
            !settings.runs_on_caller() || BytesBeside(model_file_) > kMaxFilesOfOwnSessions)) {
    opened_.push_back(session_);
  }

  base::Result<std::unique_ptr<Instance>> CreateInstance(int index) override {
    std::lock_guard lock(mutex_);
    if (session_ && (index == 0 || shares_session_)) return MakeInstance(session_);
    return OpenLocked();
  }

  // Always a new session; instances that shared the poisoned one share the new one.
  base::Result<std::unique_ptr<Instance>> RebuildInstance(
      int, std::unique_ptr<Instance> poisoned) override {
    std::lock_guard lock(mutex_);
    if (poisoned && static_cast<ort::OrtInstance&>(*poisoned).session() == session_) {
      session_.reset();
    }
    // Its memory is free, perhaps a device's, before there is a second one.
    poisoned.reset();
    if (session_ && shares_session_) return MakeInstance(session_);
    return OpenLocked();
  }

  std::optional<size_t> RuntimeBytes() const override {
    std::vector<std::shared_ptr<const Session>> sessions;
    {
      std::lock_guard lock(opened_mutex_);
      for (const auto& opened : opened_) {
        if (auto session = opened.lock()) sessions.push_back(std::move(session));
      }
    }
    size_t total = 0;
    for (const auto& session : sessions) {
      const auto bytes = session->AllocatedBytes();
      if (!bytes) return std::nullopt;
      total += *bytes;
    }
    return total;
  }

 private:
  base::Result<std::unique_ptr<Instance>> OpenLocked() {
    ASSIGN_OR_RETURN(std::shared_ptr<const Session> session, OpenSession());
    if (shares_session_) session_ = session;
    return MakeInstance(std::move(session));
  }
  base::Result<std::shared_ptr<const Session>> OpenSession() {
    ASSIGN_OR_RETURN(auto session, Session::Open(library_, model_file_, settings_));
    std::lock_guard lock(opened_mutex_);
    std::erase_if(opened_, [](const auto& opened) { return opened.expired(); });
    opened_.push_back(session);
    return session;
  }
  std::unique_ptr<Instance> MakeInstance(std::shared_ptr<const Session> session) const {
    return std::make_unique<ort::OrtInstance>(model_, std::move(session));
  }

  const ort::LoadedModel model_;
  const std::shared_ptr<const ort::Library> library_;
  std::mutex mutex_;                        // one instance is made at a time
  std::shared_ptr<const Session> session_;  // of the first instance, or all; guarded by mutex_
  mutable std::mutex opened_mutex_;
  std::vector<std::weak_ptr<const Session>> opened_;  // guarded by opened_mutex_
  const std::string model_file_;
  const ort::SessionSettings settings_;
  const bool shares_session_;
};

base::Result<std::vector<tensor::TensorDescriptor>> Describe(const std::vector<Port>& ports,
                                                             const std::string& direction) {
  std::vector<tensor::TensorDescriptor> described;
  for (const Port& port : ports) {
    const auto type = ort::DataTypeOf(port);
    if (!type) {
      return base::InvalidArgument("onnxruntime: " + direction + " '" + port.name +
                                   "' of the model is " + ort::DescribeType(port) +
                                   ", which the protocol has no datatype for");
    }
    described.push_back({.name = port.name, .data_type = *type, .dims = port.dims});
  }
  return described;
}

class OnnxRuntimeBackend final : public Backend {
 public:
  explicit OnnxRuntimeBackend(OnnxRuntimeOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "onnxruntime"; }

  bool may_run_inline(const core::ModelPlan& plan) const override {
    const auto settings = ort::ReadSettings(plan);
    return settings.ok() && settings.value().runs_on_caller();
  }

  base::Result<std::unique_ptr<BackendModel>> Load(const core::ModelPlan& plan) override {
    ASSIGN_OR_RETURN(auto library, FindLibrary());
    ASSIGN_OR_RETURN(const ort::SessionSettings settings, ort::ReadSettings(plan));
    ort::LoadedModel model;
    model.name = plan.name;
    model.has_rows = plan.max_batch_size > 0;
    ASSIGN_OR_RETURN(auto session, Session::Open(std::move(library), plan.model_file, settings));
    ASSIGN_OR_RETURN(model.inputs, ort::BindInputs(plan, *session));
    ASSIGN_OR_RETURN(model.outputs, ort::BindOutputs(plan, *session));
    return std::unique_ptr<BackendModel>(std::make_unique<OrtModel>(
        std::move(model), std::move(session), plan.model_file, settings));
  }

  base::Result<Inspection> Inspect(const std::string& model_file) override {
    ASSIGN_OR_RETURN(auto library, FindLibrary());
    // Names and types do not depend on optimisation, which is most of the time a session takes to
    // make.
    ort::SessionSettings settings;
    settings.level = ort::kDisableAll;
    ASSIGN_OR_RETURN(const auto session, Session::Open(std::move(library), model_file, settings));
    Inspection inspection;
    ASSIGN_OR_RETURN(inspection.inputs, Describe(session->inputs(), "input"));
    ASSIGN_OR_RETURN(inspection.outputs, Describe(session->outputs(), "output"));
    return inspection;
  }

 private:
  base::Result<std::shared_ptr<const Library>> FindLibrary() {
    std::lock_guard lock(mutex_);
    if (!library_) {
      ASSIGN_OR_RETURN(library_, Library::Open(options_.library_path));
    }
    return library_;
  }

  const OnnxRuntimeOptions options_;
  std::mutex mutex_;  // also held while the library is opened: a second load waits for the first
  std::shared_ptr<const Library> library_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<Backend> MakeOnnxRuntimeBackend(OnnxRuntimeOptions options) {
  return std::make_unique<OnnxRuntimeBackend>(std::move(options));
}

}  // namespace serving::backend
