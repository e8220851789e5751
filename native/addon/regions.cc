// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/regions.h"

#include <cstring>
#include <utility>

#include "addon/errors.h"
#include "addon/values.h"

namespace serving::addon {
namespace {

base::Status SwitchedOff() {
  return base::Unimplemented("the engine was made without allowClientShm");
}

base::Result<uint64_t> Unsigned(Napi::Value value, const char* what) {
  bool is_exact = false;
  uint64_t number = 0;
  if (value.IsBigInt()) number = value.As<Napi::BigInt>().Uint64Value(&is_exact);
  if (!is_exact) {
    return base::InvalidArgument(std::string(what) + ": expected a bigint of 64 bits");
  }
  return number;
}

// Any number of 64 bits, with or without a sign.
base::Result<int64_t> Signed(Napi::Value value, const char* what) {
  bool is_exact = false;
  int64_t number = 0;
  if (value.IsBigInt()) number = value.As<Napi::BigInt>().Int64Value(&is_exact);
  if (is_exact) return number;
  ASSIGN_OR_RETURN(const uint64_t large, Unsigned(value, what));
  return static_cast<int64_t>(large);
}

// Only a Uint8Array over memory of its own or a part of one.
base::Result<std::string_view> Bytes(Napi::Value value, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return base::InvalidArgument(std::string(what) + ": expected a Uint8Array");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return std::string_view(reinterpret_cast<const char*>(array.Data()), array.ByteLength());
}

Napi::Value Read(Napi::Env env, const core::ClientMemory& memory) {
  Napi::ArrayBuffer bytes = Napi::ArrayBuffer::New(env, memory.capacity());
  if (memory.capacity() != 0) std::memcpy(bytes.Data(), memory.data(), memory.capacity());
  if (const base::Status status = memory.Check(); !status.ok()) {
    Throw(env, status);
    return env.Undefined();
  }
  return Napi::Uint8Array::New(env, memory.capacity(), bytes, 0);
}

base::Status Write(const core::ClientMemory& memory, Napi::Value value) {
  ASSIGN_OR_RETURN(const std::string_view bytes, Bytes(value, "bytes"));
  if (bytes.size() > memory.capacity()) {
    return base::InvalidArgument("bytes: at most " + std::to_string(memory.capacity()) +
                                 " fit, got " + std::to_string(bytes.size()));
  }
  if (!bytes.empty()) std::memcpy(memory.data(), bytes.data(), bytes.size());
  return memory.Check();
}

}  // namespace

base::Status RegisterSystemRegion(shm::RegionRegistry* registry, Napi::Value region) {
  if (registry == nullptr) return SwitchedOff();
  ObjectReader reader(region, "region");
  shm::SystemRegion system{.name = reader.Text("name"), .key = reader.Text("key")};
  RETURN_IF_ERROR(reader.status());
  ASSIGN_OR_RETURN(system.offset, Unsigned(reader.Get("offset"), "region.offset"));
  ASSIGN_OR_RETURN(system.byte_size, Unsigned(reader.Get("byteSize"), "region.byteSize"));
  return registry->Register(system);
}

base::Status RegisterCudaRegion(shm::RegionRegistry* registry, Napi::Value region) {
  if (registry == nullptr) return SwitchedOff();
  ObjectReader reader(region, "region");
  shm::CudaRegion cuda;
  cuda.name = reader.Text("name");
  RETURN_IF_ERROR(reader.status());
  ASSIGN_OR_RETURN(cuda.handle, Bytes(reader.Get("rawHandle"), "region.rawHandle"));
  ASSIGN_OR_RETURN(cuda.device_id, Signed(reader.Get("deviceId"), "region.deviceId"));
  ASSIGN_OR_RETURN(cuda.byte_size, Unsigned(reader.Get("byteSize"), "region.byteSize"));
  return registry->Register(cuda);
}

base::Status UnregisterRegions(shm::RegionRegistry* registry, std::string_view kind,
                               std::string_view name) {
  if (registry == nullptr) return SwitchedOff();
  if (kind != "system" && kind != "cuda") {
    return base::InvalidArgument("kind: expected 'system' or 'cuda'");
  }
  registry->Unregister(kind == "system" ? shm::RegionKind::kSystem : shm::RegionKind::kCuda, name);
  return {};
}

Napi::Value ListRegions(Napi::Env env, const shm::RegionRegistry* registry) {
  Napi::Array array = Napi::Array::New(env);
  if (registry == nullptr) return array;
  uint32_t count = 0;
  for (const shm::RegionInfo& region : registry->List()) {
    Napi::Object object = Napi::Object::New(env);
    const bool is_system = region.kind == shm::RegionKind::kSystem;
    object.Set("kind", is_system ? "system" : "cuda");
    object.Set("name", region.name);
    if (is_system) {
      object.Set("key", region.key);
      object.Set("offset", Napi::BigInt::New(env, region.offset));
    } else {
      object.Set("deviceId", Napi::BigInt::New(env, region.device_id));
    }
    object.Set("byteSize", Napi::BigInt::New(env, region.byte_size));
    array.Set(count++, object);
  }
  return array;
}

base::Result<Napi::Value> OpenRegion(Napi::Env env, shm::RegionRegistry* registry,
                                     std::string_view name, Napi::Value offset,
                                     Napi::Value byte_size) {
  if (registry == nullptr) return SwitchedOff();
  ASSIGN_OR_RETURN(const uint64_t from, Unsigned(offset, "offset"));
  ASSIGN_OR_RETURN(const uint64_t size, Unsigned(byte_size, "byteSize"));
  ASSIGN_OR_RETURN(const core::ClientMemoryRef memory, registry->Find(name, from, size));
  if (memory->kind() == base::MemoryKind::kDevice) {
    return base::Unimplemented("the region is in device memory");
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("byteSize", static_cast<double>(memory->capacity()));
  // The functions own the memory: it is unmapped when JavaScript has dropped both.
  object.Set("read", Napi::Function::New(env, [memory](const Napi::CallbackInfo& info) {
               return Read(info.Env(), *memory);
             }));
  object.Set("write", Napi::Function::New(env, [memory](const Napi::CallbackInfo& info) {
               const base::Status status = Write(*memory, info[0]);
               if (!status.ok()) Throw(info.Env(), status);
             }));
  return Napi::Value(object);
}

}  // namespace serving::addon
