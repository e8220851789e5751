// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/nghttp2_abi.h"

#include <dlfcn.h>

#include <string>

namespace serving::net::nghttp2 {
namespace {

// Never closed: sessions may outlive every static object.
void* SharedLibrary() {
  static void* const library = dlopen("libnghttp2.so.14", RTLD_NOW | RTLD_LOCAL);
  return library;
}

struct Loaded {
  Api api;
  base::Status status;
};

template <typename Function>
bool Find(const char* name, Function& function) {
  function = reinterpret_cast<Function>(FindSymbol(name));
  return function != nullptr;
}

Loaded LoadOnce() {
  Loaded loaded;
#define SERVING_NGHTTP2_FIND(name, result, arguments)                                        \
  if (!Find("nghttp2_" #name, loaded.api.name) && loaded.status.ok()) {                      \
    loaded.status = base::Unavailable(                                                       \
        "HTTP/2 needs nghttp2: 'nghttp2_" #name                                              \
        "' was found neither in this executable nor in "                                     \
        "libnghttp2.so.14; use a Node build that exports nghttp2 (the official ones do) or " \
        "install libnghttp2-14");                                                            \
  }
#define SERVING_NGHTTP2_TRY(name, result, arguments) Find("nghttp2_" #name, loaded.api.name);
  SERVING_NGHTTP2_FUNCTIONS(SERVING_NGHTTP2_FIND)
  SERVING_NGHTTP2_OPTIONAL_FUNCTIONS(SERVING_NGHTTP2_TRY)
#undef SERVING_NGHTTP2_FIND
#undef SERVING_NGHTTP2_TRY
  return loaded;
}

}  // namespace

void* FindSymbol(const char* name) {
  if (void* const symbol = dlsym(RTLD_DEFAULT, name); symbol != nullptr) return symbol;
  void* const library = SharedLibrary();
  return library == nullptr ? nullptr : dlsym(library, name);
}

base::Result<const Api*> Load() {
  static const Loaded loaded = LoadOnce();
  if (!loaded.status.ok()) return loaded.status;
  return &loaded.api;
}

}  // namespace serving::net::nghttp2
