// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace serving::protocol {

// What is used of zlib (https://zlib.net/manual.html), in our own words: the build needs no header,
// and the code is the copy that the node binary exports. The layout has been the same since
// zlib 1.0.
struct ZlibStream {
  const unsigned char* next_in = nullptr;
  unsigned int avail_in = 0;
  unsigned long total_in = 0;
  unsigned char* next_out = nullptr;
  unsigned int avail_out = 0;
  unsigned long total_out = 0;
  const char* message = nullptr;
  void* state = nullptr;
  void* (*allocate)(void*, unsigned int, unsigned int) = nullptr;
  void (*release)(void*, void*) = nullptr;
  void* opaque = nullptr;
  int data_type = 0;
  unsigned long adler = 0;
  unsigned long reserved = 0;
};

inline constexpr int kZlibSyncFlush = 2;
inline constexpr int kZlibFinish = 4;
inline constexpr int kZlibOk = 0;
inline constexpr int kZlibStreamEnd = 1;
inline constexpr int kZlibMethodDeflate = 8;

struct ZlibApi {
  int (*inflate_init)(ZlibStream*, int window_bits, const char* version, int stream_size);
  int (*inflate)(ZlibStream*, int flush);
  int (*inflate_end)(ZlibStream*);
  int (*deflate_init)(ZlibStream*, int level, int method, int window_bits, int memory_level,
                      int strategy, const char* version, int stream_size);
  int (*deflate)(ZlibStream*, int flush);
  int (*deflate_end)(ZlibStream*);
};

// From the running executable, else from libz.so.1; null when neither has it. Looked up once.
const ZlibApi* FindZlib();

}  // namespace serving::protocol
