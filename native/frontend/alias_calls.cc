// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <string>

#include "frontend/io_handler.h"

namespace serving::frontend {

void IoHandler::StartAliased(Call& call, const net::RequestHead& head) {
  Alias alias;
  aliases_->Resolve(call.service, head, alias);
  if (alias.route.row == nullptr) {
    return answers_.Http(call, alias.refusal, "text/plain", {});
  }
  net::RequestHead meant = head;
  if (!alias.path.empty()) meant.path = alias.path;
  if (!alias.method.empty()) meant.method = alias.method;
  call.kind = alias.route.kind;
  call.alias = alias.is_mme                          ? AliasForm::kMme
               : call.service == Service::kSagemaker ? AliasForm::kSagemaker
                                                     : AliasForm::kVertexAi;
  // A request that was led elsewhere is a call of the service whose route it took.
  const bool is_redirected = !alias.path.empty();
  if (is_redirected) call.service = alias.route.row->service;
  if (!Admit(call, meant, alias.route)) return;
  if (tracing_) NoteTraceParent(call, meant);
  if (load_headers_) NoteLoadForm(call, meant);
  StartHttp(call, meant, alias.route);
}

// The size of the JSON part is in the content type instead of a header of its own, and nothing is
// compressed, whatever the headers say.
base::Status IoHandler::ReadAliasHead(Call& call, const net::RequestHead& head) {
  const std::string_view mime =
      BinaryMime(call.alias == AliasForm::kVertexAi ? Service::kVertexAi : Service::kSagemaker);
  const std::string_view given = head.Find("content-type").value_or("");
  const size_t at = given.find(mime);
  if (at == std::string_view::npos) return {};
  if (at != 0) {
    return base::InvalidArgument("expect MIME type for binary data starts with '" +
                                 std::string(mime) + "', got: " + std::string(given));
  }
  call.json_length = given.substr(mime.size());
  return {};
}

}  // namespace serving::frontend
