// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "shm/system_region.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "shm/fault_guard.h"

namespace serving::shm {
namespace {

using base::InvalidArgument;

// Memory between processes of one server: the stubs of Triton's Python backend, and our own. What a
// client wrote there, the server would run.
constexpr std::array<std::string_view, 2> kReservedPrefixes{"triton_python_backend_shm_region_",
                                                            "nereid_shm_region_"};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// A whole mapping.
class MappedRegion final : public core::ClientMemory {
 public:
  // The region is the end of the mapping, from `skip` on.
  MappedRegion(std::string name, std::span<std::byte> mapped, size_t skip, FaultGuard guard,
               const Origin& origin)
      : ClientMemory(mapped.subspan(skip), base::MemoryKind::kHost, 0, origin),
        name_(std::move(name)),
        mapped_(mapped),
        guard_(std::move(guard)) {}

  base::Status Check() const override {
    if (!guard_->is_broken()) [[likely]]
      return {};
    return InvalidArgument("shared memory region '" + name_ +
                           "' is broken: its file was shortened, or has no memory, since it was "
                           "registered. Unregister it and register it again");
  }

 private:
  ~MappedRegion() override {
    guard_.reset();  // first: the addresses may be somebody else's right after munmap
    munmap(mapped_.data(), mapped_.size());
  }

  const std::string name_;
  const std::span<std::byte> mapped_;
  std::optional<FaultGuard> guard_;
};

class Slice final : public core::ClientMemory {
 public:
  Slice(const core::ClientMemoryRef& whole, size_t offset, size_t byte_size)
      : ClientMemory(
            whole->bytes().subspan(offset, byte_size), whole->kind(), whole->device(),
            {whole->origin().device, whole->origin().inode, whole->origin().offset + offset}),
        whole_(whole) {}

  base::Status Check() const override { return whole_->Check(); }

 private:
  const core::ClientMemoryRef whole_;
};

base::Status Failed(const SystemRegion& region, std::string_view reason) {
  return InvalidArgument("failed to register shared memory region '" + region.name +
                         "': " + std::string(reason));
}

// The key without its slash; nothing for what cannot name an object of shared memory.
std::optional<std::string_view> ObjectName(std::string_view key) {
  if (key.starts_with('/')) key.remove_prefix(1);
  const bool is_name = !key.empty() && key.size() <= NAME_MAX && key != "." && key != ".." &&
                       key.find('/') == std::string_view::npos &&
                       key.find('\0') == std::string_view::npos;
  return is_name ? std::optional(key) : std::nullopt;
}

base::Status CheckReserved(const SystemRegion& region, std::string_view object) {
  for (const std::string_view prefix : kReservedPrefixes) {
    if (!object.starts_with(prefix)) continue;
    return InvalidArgument("cannot register shared memory region '" + region.name + "' with key '" +
                           region.key + "' as the key contains the reserved prefix '" +
                           std::string(prefix) + "'");
  }
  return {};
}

}  // namespace

base::Result<core::ClientMemoryRef> MapSystemRegion(const SystemRegion& region) {
  const auto object = ObjectName(region.key);
  const auto unable = [&] {
    return base::Internal("Unable to open shared memory region: '" + region.key + "'");
  };
  if (!object) return unable();
  RETURN_IF_ERROR(CheckReserved(region, *object));
  // Non-blocking: a key may name a pipe, and opening that must not wait.
  const FileDescriptor file(shm_open(("/" + std::string(*object)).c_str(),
                                     O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0));
  struct stat status{};
  if (file.get() < 0 || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return unable();
  }
  uint64_t end = 0;
  if (__builtin_add_overflow(region.offset, region.byte_size, &end) ||
      end > static_cast<uint64_t>(status.st_size)) {
    return Failed(region, "invalid args");
  }
  // mmap's word for it, behind Triton's.
  if (region.byte_size == 0)
    return Failed(region, "unable to process address spaceInvalid argument");
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const size_t skip = region.offset % page;
  const size_t mapped_bytes = skip + region.byte_size;
  void* mapped = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(),
                      static_cast<off_t>(region.offset - skip));
  if (mapped == MAP_FAILED) {
    return Failed(region, std::string("unable to process address space") + std::strerror(errno));
  }
  auto guard = FaultGuard::Make(static_cast<std::byte*>(mapped), mapped_bytes);
  if (!guard) {
    munmap(mapped, mapped_bytes);
    return base::Unavailable("failed to register shared memory region '" + region.name +
                             "': " + std::to_string(FaultGuard::kMaxMappings) +
                             " regions are in use, unregister one or retry later");
  }
  return core::ClientMemoryRef(base::MakeRef<MappedRegion>(
      region.name, std::span(static_cast<std::byte*>(mapped), mapped_bytes), skip,
      std::move(*guard), core::ClientMemory::Origin{status.st_dev, status.st_ino, region.offset}));
}

core::ClientMemoryRef SliceOf(const core::ClientMemoryRef& whole, size_t offset, size_t byte_size) {
  if (offset == 0 && byte_size == whole->capacity()) return whole;
  return base::MakeRef<Slice>(whole, offset, byte_size);
}

}  // namespace serving::shm
