// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"

namespace serving::protocol {

// Content-Encoding of HTTP and grpc-encoding of gRPC.
enum class Coding : uint8_t { kIdentity, kGzip, kDeflate };

// Empty and `identity` are kIdentity; nothing for what is not supported.
std::optional<Coding> ParseCoding(std::string_view name);
std::string_view CodingName(Coding coding);

// What an Accept-Encoding header likes best of the three by its q-values; of equals the first.
Coding PreferredCoding(std::string_view accept_encoding);

// --grpc-infer-response-compression-level.
enum class CompressionLevel : uint8_t { kNone, kLow, kMedium, kHigh };

std::optional<CompressionLevel> ParseCompressionLevel(std::string_view name);

// What gRPC core makes of a level for a client with this grpc-accept-encoding: of gzip and deflate,
// as far as the client takes them, the first for low, the last for medium and high.
Coding CodingForLevel(CompressionLevel level, std::string_view accept_encoding);

struct Decompressed {
  base::BufferRef buffer;
  size_t size = 0;
};

// Inflates `bytes` into memory of `allocator`, at most `max_bytes` of it, so that a small body
// cannot become a large one. Fails with InvalidArgument over the limit and for data that is cut or
// not in that coding, Unavailable without memory.
base::Result<Decompressed> Decompress(std::span<const std::byte> bytes, Coding coding,
                                      size_t max_bytes, base::BufferAllocator& allocator);

// Appends `bytes` in that coding to `out`. False when zlib is not there or has no memory; `out` is
// as before then.
bool Compress(std::span<const std::byte> bytes, Coding coding, std::string& out);

}  // namespace serving::protocol
