// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/ort_api.h"

#include <cstddef>

#include "gtest/gtest.h"

#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>
#endif

namespace serving::backend::ort {
namespace {

// The places as the header writes them behind each line.
static_assert(offsetof(Api, Run) == 9 * sizeof(void*));
static_assert(offsetof(Api, SessionGetOverridableInitializerName) == 38 * sizeof(void*));
static_assert(offsetof(Api, GetTensorTypeAndShape) == 65 * sizeof(void*));
static_assert(offsetof(Api, ReleaseSessionOptions) == 100 * sizeof(void*));
static_assert(offsetof(Api, AddSessionConfigEntry) == 130 * sizeof(void*));
static_assert(offsetof(Api, ReleaseAllocator) == 132 * sizeof(void*));
static_assert(offsetof(Api, GetResizedStringTensorElementBuffer) == 252 * sizeof(void*));
static_assert(offsetof(Api, GetKeyValue) == 297 * sizeof(void*));
static_assert(offsetof(Api, ReleaseKeyValuePairs) == 300 * sizeof(void*));
static_assert(offsetof(Api, AllocatorGetStats) == 319 * sizeof(void*));

#ifdef ORT_API_VERSION

// A function of ours and the vendor's of the same name lie at the same place and take as many
// arguments.
#define EXPECT_SAME_PLACE(function) \
  EXPECT_EQ(offsetof(Api, function), offsetof(::OrtApi, function)) << #function

TEST(OrtApi, PlacesAreThoseOfTheVendorsHeader) {
#if ORT_API_VERSION >= 23
  EXPECT_SAME_PLACE(GetKeyValue);
  EXPECT_SAME_PLACE(ReleaseKeyValuePairs);
  EXPECT_SAME_PLACE(AllocatorGetStats);
#endif
  EXPECT_SAME_PLACE(CreateAllocator);
  EXPECT_SAME_PLACE(ReleaseAllocator);
  EXPECT_SAME_PLACE(GetErrorCode);
  EXPECT_SAME_PLACE(GetErrorMessage);
  EXPECT_SAME_PLACE(CreateEnvWithCustomLogger);
  EXPECT_SAME_PLACE(CreateSession);
  EXPECT_SAME_PLACE(Run);
  EXPECT_SAME_PLACE(CreateSessionOptions);
  EXPECT_SAME_PLACE(SetSessionExecutionMode);
  EXPECT_SAME_PLACE(DisableMemPattern);
  EXPECT_SAME_PLACE(DisableCpuMemArena);
  EXPECT_SAME_PLACE(SetSessionGraphOptimizationLevel);
  EXPECT_SAME_PLACE(SetIntraOpNumThreads);
  EXPECT_SAME_PLACE(SetInterOpNumThreads);
  EXPECT_SAME_PLACE(SessionGetInputCount);
  EXPECT_SAME_PLACE(SessionGetOutputCount);
  EXPECT_SAME_PLACE(SessionGetOverridableInitializerCount);
  EXPECT_SAME_PLACE(SessionGetInputTypeInfo);
  EXPECT_SAME_PLACE(SessionGetOutputTypeInfo);
  EXPECT_SAME_PLACE(SessionGetOverridableInitializerTypeInfo);
  EXPECT_SAME_PLACE(SessionGetInputName);
  EXPECT_SAME_PLACE(SessionGetOutputName);
  EXPECT_SAME_PLACE(SessionGetOverridableInitializerName);
  EXPECT_SAME_PLACE(CreateTensorAsOrtValue);
  EXPECT_SAME_PLACE(CreateTensorWithDataAsOrtValue);
  EXPECT_SAME_PLACE(GetTensorMutableData);
  EXPECT_SAME_PLACE(GetStringTensorDataLength);
  EXPECT_SAME_PLACE(GetStringTensorContent);
  EXPECT_SAME_PLACE(CastTypeInfoToTensorInfo);
  EXPECT_SAME_PLACE(GetOnnxTypeFromTypeInfo);
  EXPECT_SAME_PLACE(GetTensorElementType);
  EXPECT_SAME_PLACE(GetDimensionsCount);
  EXPECT_SAME_PLACE(GetDimensions);
  EXPECT_SAME_PLACE(GetTensorTypeAndShape);
  EXPECT_SAME_PLACE(CreateCpuMemoryInfo);
  EXPECT_SAME_PLACE(AllocatorFree);
  EXPECT_SAME_PLACE(GetAllocatorWithDefaultOptions);
  EXPECT_SAME_PLACE(ReleaseEnv);
  EXPECT_SAME_PLACE(ReleaseStatus);
  EXPECT_SAME_PLACE(ReleaseMemoryInfo);
  EXPECT_SAME_PLACE(ReleaseSession);
  EXPECT_SAME_PLACE(ReleaseValue);
  EXPECT_SAME_PLACE(ReleaseTypeInfo);
  EXPECT_SAME_PLACE(ReleaseTensorTypeAndShapeInfo);
  EXPECT_SAME_PLACE(ReleaseSessionOptions);
  EXPECT_SAME_PLACE(AddSessionConfigEntry);
  EXPECT_SAME_PLACE(GetResizedStringTensorElementBuffer);
  EXPECT_EQ(offsetof(ApiBase, GetApi), offsetof(::OrtApiBase, GetApi));
  EXPECT_EQ(offsetof(ApiBase, GetVersionString), offsetof(::OrtApiBase, GetVersionString));
}

TEST(OrtApi, NumbersAreThoseOfTheVendorsHeader) {
  EXPECT_EQ(int{kWarning}, int{ORT_LOGGING_LEVEL_WARNING});
  EXPECT_EQ(int{kError}, int{ORT_LOGGING_LEVEL_ERROR});
  EXPECT_EQ(int{kDisableAll}, int{ORT_DISABLE_ALL});
  EXPECT_EQ(int{kEnableBasic}, int{ORT_ENABLE_BASIC});
  EXPECT_EQ(int{kEnableExtended}, int{ORT_ENABLE_EXTENDED});
  EXPECT_EQ(int{kEnableAll}, int{ORT_ENABLE_ALL});
  EXPECT_EQ(int{kTensor}, int{ONNX_TYPE_TENSOR});
  EXPECT_EQ(int{kSequence}, int{ONNX_TYPE_SEQUENCE});
  EXPECT_EQ(int{kMap}, int{ONNX_TYPE_MAP});
  EXPECT_EQ(int{kSparseTensor}, int{ONNX_TYPE_SPARSETENSOR});
  EXPECT_EQ(int{kOptional}, int{ONNX_TYPE_OPTIONAL});
  EXPECT_EQ(int{kParallel}, int{ORT_PARALLEL});
  EXPECT_EQ(kArenaAllocator, int{OrtArenaAllocator});
  EXPECT_EQ(kMemoryTypeDefault, int{OrtMemTypeDefault});
}

#endif

}  // namespace
}  // namespace serving::backend::ort
