// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>

// Our own declarations of the part of ONNX Runtime's C interface that we call. Its function table
// only ever grows at the end, so the place of a function is its contract; ort_api_test.cc compares
// every place with the vendor's header wherever one can be found.
namespace serving::backend::ort {

// The lowest table that has all functions that we need (ONNX Runtime 1.17). A library answers with
// null if it is older.
inline constexpr uint32_t kApiVersion = 17;
// Since 1.23 it has those behind the strings, too.
inline constexpr int kStatisticsVersion = 23;

struct Env;
struct Status;
struct MemoryInfo;
struct RunOptions;
struct RawSession;
struct RawValue;
struct TypeInfo;
struct TensorInfo;  // element type and shape
struct SessionOptions;
struct Allocator;
struct KeyValuePairs;

enum LoggingLevel : int { kVerbose, kInfo, kWarning, kError, kFatal };
enum GraphLevel : int { kDisableAll = 0, kEnableBasic = 1, kEnableExtended = 2, kEnableAll = 99 };
enum ValueKind : int { kUnknown, kTensor, kSequence, kMap, kOpaque, kSparseTensor, kOptional };
enum ExecutionMode : int { kSequential = 0, kParallel = 1 };
inline constexpr int kArenaAllocator = 1;
inline constexpr int kMemoryTypeDefault = 0;

using LogFunction = void (*)(void* param, LoggingLevel level, const char* category,
                             const char* log_id, const char* place, const char* text);

template <size_t kCount>
using Unused = void* [kCount];

// Null = success; anything else must go to ReleaseStatus. The number behind a line is its place in
// the table.
// clang-format off
struct Api {
  Unused<1> unused_0;
  int (*GetErrorCode)(const Status*);                                                               // 1
  const char* (*GetErrorMessage)(const Status*);                                                    // 2
  Unused<1> unused_3;
  Status* (*CreateEnvWithCustomLogger)(LogFunction, void*, LoggingLevel, const char*, Env**);       // 4
  Unused<2> unused_5;
  Status* (*CreateSession)(const Env*, const char* path, const SessionOptions*, RawSession**);      // 7
  Unused<1> unused_8;
  Status* (*Run)(RawSession*, const RunOptions*, const char* const* input_names,
                 const RawValue* const* inputs, size_t input_count, const char* const* output_names,
                 size_t output_count, RawValue** outputs);                                          // 9
  Status* (*CreateSessionOptions)(SessionOptions**);                                                // 10
  Unused<2> unused_11;
  Status* (*SetSessionExecutionMode)(SessionOptions*, ExecutionMode);                               // 13
  Unused<3> unused_14;
  Status* (*DisableMemPattern)(SessionOptions*);                                                    // 17
  Unused<1> unused_18;
  Status* (*DisableCpuMemArena)(SessionOptions*);                                                   // 19
  Status* (*SetSessionLogId)(SessionOptions*, const char*);                                         // 20
  Unused<2> unused_21;
  Status* (*SetSessionGraphOptimizationLevel)(SessionOptions*, GraphLevel);                         // 23
  Status* (*SetIntraOpNumThreads)(SessionOptions*, int);                                            // 24
  Status* (*SetInterOpNumThreads)(SessionOptions*, int);                                            // 25
  Unused<4> unused_26;
  Status* (*SessionGetInputCount)(const RawSession*, size_t*);                                      // 30
  Status* (*SessionGetOutputCount)(const RawSession*, size_t*);                                     // 31
  Status* (*SessionGetOverridableInitializerCount)(const RawSession*, size_t*);                     // 32
  Status* (*SessionGetInputTypeInfo)(const RawSession*, size_t, TypeInfo**);                        // 33
  Status* (*SessionGetOutputTypeInfo)(const RawSession*, size_t, TypeInfo**);                       // 34
  Status* (*SessionGetOverridableInitializerTypeInfo)(const RawSession*, size_t, TypeInfo**);       // 35
  Status* (*SessionGetInputName)(const RawSession*, size_t, Allocator*, char**);                    // 36
  Status* (*SessionGetOutputName)(const RawSession*, size_t, Allocator*, char**);                   // 37
  Status* (*SessionGetOverridableInitializerName)(const RawSession*, size_t, Allocator*, char**);   // 38
  Unused<9> unused_39;
  Status* (*CreateTensorAsOrtValue)(Allocator*, const int64_t* dims, size_t rank, int type,
                                    RawValue**);                                                    // 48
  Status* (*CreateTensorWithDataAsOrtValue)(const MemoryInfo*, void* data, size_t bytes,
                                            const int64_t* dims, size_t rank, int type,
                                            RawValue**);                                            // 49
  Unused<1> unused_50;
  Status* (*GetTensorMutableData)(RawValue*, void**);                                               // 51
  Unused<1> unused_52;
  Status* (*GetStringTensorDataLength)(const RawValue*, size_t*);                                   // 53
  Status* (*GetStringTensorContent)(const RawValue*, void* text, size_t bytes, size_t* offsets,
                                    size_t count);                                                  // 54
  Status* (*CastTypeInfoToTensorInfo)(const TypeInfo*, const TensorInfo**);                         // 55
  Status* (*GetOnnxTypeFromTypeInfo)(const TypeInfo*, ValueKind*);                                  // 56
  Unused<3> unused_57;
  Status* (*GetTensorElementType)(const TensorInfo*, int*);                                         // 60
  Status* (*GetDimensionsCount)(const TensorInfo*, size_t*);                                        // 61
  Status* (*GetDimensions)(const TensorInfo*, int64_t*, size_t);                                    // 62
  Unused<2> unused_63;
  Status* (*GetTensorTypeAndShape)(const RawValue*, TensorInfo**);                                  // 65
  Unused<3> unused_66;
  Status* (*CreateCpuMemoryInfo)(int allocator_type, int memory_type, MemoryInfo**);                // 69
  Unused<6> unused_70;
  Status* (*AllocatorFree)(Allocator*, void*);                                                      // 76
  Unused<1> unused_77;
  Status* (*GetAllocatorWithDefaultOptions)(Allocator**);                                           // 78
  Unused<13> unused_79;
  void (*ReleaseEnv)(Env*);                                                                         // 92
  void (*ReleaseStatus)(Status*);                                                                   // 93
  void (*ReleaseMemoryInfo)(MemoryInfo*);                                                           // 94
  void (*ReleaseSession)(RawSession*);                                                              // 95
  void (*ReleaseValue)(RawValue*);                                                                  // 96
  Unused<1> unused_97;
  void (*ReleaseTypeInfo)(TypeInfo*);                                                               // 98
  void (*ReleaseTensorTypeAndShapeInfo)(TensorInfo*);                                               // 99
  void (*ReleaseSessionOptions)(SessionOptions*);                                                   // 100
  Unused<29> unused_101;
  Status* (*AddSessionConfigEntry)(SessionOptions*, const char* key, const char* value);            // 130
  Status* (*CreateAllocator)(const RawSession*, const MemoryInfo*, Allocator**);                    // 131
  void (*ReleaseAllocator)(Allocator*);                                                             // 132
  Unused<119> unused_133;
  // Keeps NUL bytes, which FillStringTensor with its C strings cannot.
  Status* (*GetResizedStringTensorElementBuffer)(RawValue*, size_t index, size_t bytes, char**);    // 252
  // From here on only where `Library::tells_statistics`.
  Unused<44> unused_253;
  const char* (*GetKeyValue)(const KeyValuePairs*, const char* key);                                // 297
  Unused<2> unused_298;
  void (*ReleaseKeyValuePairs)(KeyValuePairs*);                                                     // 300
  Unused<18> unused_301;
  Status* (*AllocatorGetStats)(const Allocator*, KeyValuePairs**);                                  // 319
};
// clang-format on

// What `OrtGetApiBase` returns.
struct ApiBase {
  const Api* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

}  // namespace serving::backend::ort
