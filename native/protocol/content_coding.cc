// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/content_coding.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "protocol/zlib_abi.h"

namespace serving::protocol {
namespace {

constexpr int kLargestWindow = 15;
constexpr int kGzipWindow = kLargestWindow + 16;  // zlib: 16 more asks for the gzip wrapper
constexpr int kDefaultLevel = -1;
constexpr int kDefaultMemoryLevel = 8;
constexpr const char* kZlibVersion = "1.2.11";  // only the first character is compared
constexpr size_t kFirstOutputBytes = 16 << 10;
constexpr size_t kLargestStep = 1u << 30;  // zlib counts in unsigned int

int WindowBits(Coding coding) { return coding == Coding::kGzip ? kGzipWindow : kLargestWindow; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
  });
}

// Up to `separator`, which is dropped.
std::string_view TakePart(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return Trim(part);
}

// Of `gzip; q=0.5` what follows the name; 1 without a q, 0 for one that is no number.
double Weight(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view part = TakePart(parameters, ';');
    if (!part.starts_with("q=") && !part.starts_with("Q=")) continue;
    double weight = 0;
    const auto end = std::from_chars(part.data() + 2, part.data() + part.size(), weight);
    return end.ec == std::errc() && end.ptr == part.data() + part.size() ? weight : 0;
  }
  return 1;
}

// Twice the room, with what is there copied over; null when the budget is full.
base::BufferRef Grow(const base::BufferRef& buffer, size_t used, size_t capacity,
                     base::BufferAllocator& allocator) {
  base::BufferRef larger = allocator.Allocate(capacity);
  if (larger && used != 0) std::memcpy(larger->data(), buffer->data(), used);
  return larger;
}

class Inflater {
 public:
  Inflater(const ZlibApi& api, Coding coding) : api_(api) {
    is_open_ =
        api_.inflate_init(&stream_, WindowBits(coding), kZlibVersion, sizeof(stream_)) == kZlibOk;
  }
  ~Inflater() {
    if (is_open_) api_.inflate_end(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool is_open() const { return is_open_; }

  // The data came to its proper end.
  bool is_complete() const { return is_complete_; }

  // Moves on with what is left of `in` into `out`. Returns how many bytes came out; `ended` when no
  // more will.
  size_t Step(std::span<const std::byte>& in, std::span<std::byte> out, bool& ended) {
    const auto given = static_cast<unsigned int>(std::min(in.size(), kLargestStep));
    const auto room = static_cast<unsigned int>(std::min(out.size(), kLargestStep));
    stream_.next_in = reinterpret_cast<const unsigned char*>(in.data());
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<unsigned char*>(out.data());
    stream_.avail_out = room;
    const int result = api_.inflate(&stream_, kZlibSyncFlush);
    const size_t read = given - stream_.avail_in;
    const size_t written = room - stream_.avail_out;
    in = in.subspan(read);
    is_complete_ = result == kZlibStreamEnd;
    ended = result != kZlibOk || (read == 0 && written == 0);
    return written;
  }

 private:
  const ZlibApi& api_;
  ZlibStream stream_;
  bool is_open_ = false;
  bool is_complete_ = false;
};

}  // namespace

std::optional<Coding> ParseCoding(std::string_view name) {
  name = Trim(name);
  if (name.empty() || EqualsIgnoringCase(name, "identity")) return Coding::kIdentity;
  if (EqualsIgnoringCase(name, "gzip")) return Coding::kGzip;
  if (EqualsIgnoringCase(name, "deflate")) return Coding::kDeflate;
  return std::nullopt;
}

std::string_view CodingName(Coding coding) {
  switch (coding) {
    case Coding::kIdentity:
      return "identity";
    case Coding::kGzip:
      return "gzip";
    case Coding::kDeflate:
      return "deflate";
  }
  return "identity";
}

Coding PreferredCoding(std::string_view accept_encoding) {
  Coding best = Coding::kIdentity;
  double best_weight = 0;
  while (!accept_encoding.empty()) {
    std::string_view part = TakePart(accept_encoding, ',');
    const std::string_view name = TakePart(part, ';');
    const auto coding = ParseCoding(name);
    const double weight = Weight(part);
    if (name.empty() || !coding || !(weight > best_weight)) continue;
    best = *coding;
    best_weight = weight;
  }
  return best;
}

std::optional<CompressionLevel> ParseCompressionLevel(std::string_view name) {
  if (name == "none") return CompressionLevel::kNone;
  if (name == "low") return CompressionLevel::kLow;
  if (name == "medium") return CompressionLevel::kMedium;
  if (name == "high") return CompressionLevel::kHigh;
  return std::nullopt;
}

Coding CodingForLevel(CompressionLevel level, std::string_view accept_encoding) {
  if (level == CompressionLevel::kNone) return Coding::kIdentity;
  bool takes_gzip = false;
  bool takes_deflate = false;
  while (!accept_encoding.empty()) {
    const auto coding = ParseCoding(TakePart(accept_encoding, ','));
    takes_gzip |= coding == Coding::kGzip;
    takes_deflate |= coding == Coding::kDeflate;
  }
  if (takes_gzip && (level == CompressionLevel::kLow || !takes_deflate)) return Coding::kGzip;
  return takes_deflate ? Coding::kDeflate : Coding::kIdentity;
}

base::Result<Decompressed> Decompress(std::span<const std::byte> bytes, Coding coding,
                                      size_t max_bytes, base::BufferAllocator& allocator) {
  const ZlibApi* api = FindZlib();
  if (api == nullptr) return base::Unimplemented("compressed bodies: this Node has no zlib");
  Inflater inflater(*api, coding);
  size_t capacity = std::min(std::max(kFirstOutputBytes, bytes.size() * 2), max_bytes);
  Decompressed result{.buffer = allocator.Allocate(capacity), .size = 0};
  if (!inflater.is_open() || !result.buffer) {
    return base::Unavailable("memory limit reached: no room for a decompressed body, retry later");
  }
  for (bool ended = false; !ended;) {
    if (result.size == capacity) {
      if (capacity == max_bytes) {
        std::byte one_more;
        if (inflater.Step(bytes, {&one_more, 1}, ended) == 0) break;
        return base::InvalidArgument(
            "the decompressed request exceeds the maximum allowed value of " +
            std::to_string(max_bytes) + " bytes. Use --http-max-input-size to increase the limit.");
      }
      capacity = std::min(capacity * 2, max_bytes);
      result.buffer = Grow(result.buffer, result.size, capacity, allocator);
      if (!result.buffer) {
        return base::Unavailable(
            "memory limit reached: no room for a decompressed body, retry later");
      }
    }
    const std::span<std::byte> room{result.buffer->data() + result.size, capacity - result.size};
    result.size += inflater.Step(bytes, room, ended);
  }
  if (!inflater.is_complete()) {
    return base::InvalidArgument("failed to decompress the request: expected " +
                                 std::string(CodingName(coding)) + " data");
  }
  return result;
}

bool Compress(std::span<const std::byte> bytes, Coding coding, std::string& out) {
  const ZlibApi* api = FindZlib();
  ZlibStream stream;
  if (api == nullptr ||
      api->deflate_init(&stream, kDefaultLevel, kZlibMethodDeflate, WindowBits(coding),
                        kDefaultMemoryLevel, 0, kZlibVersion, sizeof(stream)) != kZlibOk) {
    return false;
  }
  const size_t before = out.size();
  int result = kZlibOk;
  while (result == kZlibOk) {
    const auto given = static_cast<unsigned int>(std::min(bytes.size(), kLargestStep));
    const size_t written = out.size();
    out.resize(written + std::max(kFirstOutputBytes, bytes.size() / 2));
    stream.next_in = reinterpret_cast<const unsigned char*>(bytes.data());
    stream.avail_in = given;
    stream.next_out = reinterpret_cast<unsigned char*>(out.data() + written);
    stream.avail_out = static_cast<unsigned int>(std::min(out.size() - written, kLargestStep));
    const size_t room = stream.avail_out;
    result = api->deflate(&stream, given == bytes.size() ? kZlibFinish : 0);
    bytes = bytes.subspan(given - stream.avail_in);
    out.resize(written + room - stream.avail_out);
  }
  api->deflate_end(&stream);
  if (result != kZlibStreamEnd) out.resize(before);
  return result == kZlibStreamEnd;
}

}  // namespace serving::protocol
