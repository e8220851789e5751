// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <string_view>
#include <utility>

#include "engine/validate.h"
#include "frontend/io_handler.h"
#include "protocol/generate_request.h"

namespace serving::frontend {

void IoHandler::SubmitGenerate(Call& call) {
  auto model = table_->Resolve(call.model_name, call.model_version);
  if (!model.ok()) return Unresolved(call, call.model_name, model.status());
  const core::ModelPlan& plan = model.value()->plan();
  core::RequestPtr request = NewRequest(call);
  request->model_name = call.model_name;
  request->model_version = call.model_version;
  std::string_view text;
  if (request->body) {
    text = {reinterpret_cast<const char*>(request->body->data()), call.received};
  }
  base::Status status = protocol::ReadGenerateRequest(text, options_.max_input_bytes, *pool_, plan,
                                                      *request, options_.real16_json);
  if (status.ok()) status = engine::Validate(plan, *request);
  if (!status.ok()) return answers_.Error(call, status);
  call.generated.emplace();
  if (call.kind == RouteKind::kGenerateStream) {
    call.flow = base::MakeRef<ResponseFlow>(SIZE_MAX, ResponseFlow::kJsonExpansion);
  }
  Submit(call, std::move(request), model.value());
}

}  // namespace serving::frontend
