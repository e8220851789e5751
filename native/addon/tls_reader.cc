// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/tls_reader.h"

#include <string>

namespace serving::addon {
namespace {

net::TlsFile ReadPem(ObjectReader& reader, const char* key) {
  ObjectReader file(reader.Get(key), std::string("tls.") + key);
  net::TlsFile read;
  read.name = file.Text("name");
  const Napi::Value pem = file.Get("pem");
  if (pem.IsTypedArray()) {
    const auto array = pem.As<Napi::TypedArray>();
    const auto* const data = static_cast<const char*>(array.ArrayBuffer().Data());
    read.pem.assign(data + array.ByteOffset(), array.ByteLength());
  } else {
    file.Fail("pem", "bytes");
  }
  reader.Merge(file.status());
  return read;
}

}  // namespace

net::TlsOptions ReadTls(ObjectReader& reader) {
  net::TlsOptions options;
  options.certificate = ReadPem(reader, "certificate");
  options.key = ReadPem(reader, "key");
  if (reader.Has("clientCa")) options.client_ca = ReadPem(reader, "clientCa");
  return options;
}

}  // namespace serving::addon
