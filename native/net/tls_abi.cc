// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/tls_abi.h"

#include <dlfcn.h>

namespace serving::net::openssl {
namespace {

struct Loaded {
  Api api;
  void* library = nullptr;
  const char* missing = nullptr;  // first function that was not found
};

template <typename Function>
void Find(Loaded& loaded, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(loaded.library, name));
  if (function == nullptr && loaded.missing == nullptr) loaded.missing = name;
}

Loaded LookUp(void* library) {
  Loaded loaded;
  loaded.library = library;
#define SERVING_OPENSSL_FIND(name, result, arguments) Find(loaded, #name, loaded.api.name);
  SERVING_OPENSSL_FUNCTIONS(SERVING_OPENSSL_FIND)
#undef SERVING_OPENSSL_FIND
  return loaded;
}

Loaded LookUpAnywhere() {
  // The executable itself, not whatever library it has loaded: tables of two copies would mix.
  Loaded own = LookUp(dlopen(nullptr, RTLD_NOW | RTLD_LOCAL));
  if (own.missing == nullptr) return own;
  // Never closed: connections may outlive every static object. Brings libcrypto with it.
  void* const library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
  return library == nullptr ? own : LookUp(library);
}

const Loaded& Once() {
  static const Loaded loaded = LookUpAnywhere();
  return loaded;
}

}  // namespace

base::Result<const Api*> Load() {
  const Loaded& loaded = Once();
  if (loaded.missing == nullptr) return &loaded.api;
  return base::Unavailable(std::string("TLS needs OpenSSL 3: '") + loaded.missing +
                           "' was found neither in this executable nor in libssl.so.3; use a Node "
                           "build that exports OpenSSL (the official ones do) or install libssl3");
}

void* FindSymbol(const char* name) { return dlsym(Once().library, name); }

std::string TakeErrorText(const Api& api) {
  const unsigned long error = api.ERR_peek_last_error();
  const char* const reason = error == 0 ? nullptr : api.ERR_reason_error_string(error);
  api.ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace serving::net::openssl
