// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/zlib_abi.h"

#include <dlfcn.h>

#include <optional>

namespace serving::protocol {
namespace {

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::optional<ZlibApi> LookUp(void* library) {
  ZlibApi api{};
  const bool complete =
      Find(library, "inflateInit2_", api.inflate_init) && Find(library, "inflate", api.inflate) &&
      Find(library, "inflateEnd", api.inflate_end) &&
      Find(library, "deflateInit2_", api.deflate_init) && Find(library, "deflate", api.deflate) &&
      Find(library, "deflateEnd", api.deflate_end);
  return complete ? std::optional(api) : std::nullopt;
}

std::optional<ZlibApi> LookUpAnywhere() {
  if (auto api = LookUp(RTLD_DEFAULT)) return api;
  void* library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
  return library == nullptr ? std::nullopt : LookUp(library);
}

}  // namespace

const ZlibApi* FindZlib() {
  static const std::optional<ZlibApi> api = LookUpAnywhere();
  return api ? &*api : nullptr;
}

}  // namespace serving::protocol
