// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/nghttp2_abi.h"

#include <gtest/gtest.h>

#if __has_include(<nghttp2/nghttp2.h>)
#include <nghttp2/nghttp2.h>
#define SERVING_HAS_NGHTTP2_HEADER 1
#endif

namespace serving::net::nghttp2 {
namespace {

#ifdef SERVING_HAS_NGHTTP2_HEADER

#define SERVING_SAME_PLACE(ours, our_member, theirs, their_member)              \
  static_assert(offsetof(ours, our_member) == offsetof(theirs, their_member) && \
                sizeof(ours::our_member) == sizeof(theirs::their_member))

static_assert(sizeof(Field) == sizeof(nghttp2_nv));
SERVING_SAME_PLACE(Field, name, nghttp2_nv, name);
SERVING_SAME_PLACE(Field, value, nghttp2_nv, value);
SERVING_SAME_PLACE(Field, name_size, nghttp2_nv, namelen);
SERVING_SAME_PLACE(Field, value_size, nghttp2_nv, valuelen);
SERVING_SAME_PLACE(Field, flags, nghttp2_nv, flags);

static_assert(sizeof(Setting) == sizeof(nghttp2_settings_entry));
SERVING_SAME_PLACE(Setting, id, nghttp2_settings_entry, settings_id);
SERVING_SAME_PLACE(Setting, value, nghttp2_settings_entry, value);

static_assert(sizeof(Frame) == sizeof(nghttp2_frame_hd));
static_assert(offsetof(nghttp2_frame, hd) == 0);
SERVING_SAME_PLACE(Frame, length, nghttp2_frame_hd, length);
SERVING_SAME_PLACE(Frame, stream_id, nghttp2_frame_hd, stream_id);
SERVING_SAME_PLACE(Frame, type, nghttp2_frame_hd, type);
SERVING_SAME_PLACE(Frame, flags, nghttp2_frame_hd, flags);
SERVING_SAME_PLACE(Frame, reserved, nghttp2_frame_hd, reserved);

static_assert(sizeof(DataSource) == sizeof(nghttp2_data_source));
static_assert(sizeof(DataProvider) == sizeof(nghttp2_data_provider));
SERVING_SAME_PLACE(DataProvider, source, nghttp2_data_provider, source);
SERVING_SAME_PLACE(DataProvider, read, nghttp2_data_provider, read_callback);

static_assert(kFrameData == NGHTTP2_DATA && kFrameHeaders == NGHTTP2_HEADERS);
static_assert(kFramePriority == NGHTTP2_PRIORITY && kFrameResetStream == NGHTTP2_RST_STREAM);
static_assert(kFrameSettings == NGHTTP2_SETTINGS && kFramePing == NGHTTP2_PING);
static_assert(kFrameGoaway == NGHTTP2_GOAWAY && kFrameWindowUpdate == NGHTTP2_WINDOW_UPDATE);
static_assert(kFrameContinuation == NGHTTP2_CONTINUATION);
static_assert(kFlagNone == NGHTTP2_FLAG_NONE && kFlagEndStream == NGHTTP2_FLAG_END_STREAM);
static_assert(kFlagAck == NGHTTP2_FLAG_ACK && kFlagEndHeaders == NGHTTP2_FLAG_END_HEADERS);
static_assert(kDataEof == NGHTTP2_DATA_FLAG_EOF);
static_assert(kDataNoEndStream == NGHTTP2_DATA_FLAG_NO_END_STREAM);
static_assert(kDataNoCopy == NGHTTP2_DATA_FLAG_NO_COPY);
static_assert(kSettingMaxConcurrentStreams == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
static_assert(kSettingInitialWindowSize == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
static_assert(kSettingMaxFrameSize == NGHTTP2_SETTINGS_MAX_FRAME_SIZE);
static_assert(kSettingMaxHeaderListSize == NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
static_assert(kNoError == NGHTTP2_NO_ERROR && kInternalError == NGHTTP2_INTERNAL_ERROR);
static_assert(kProtocolError == NGHTTP2_PROTOCOL_ERROR && kStreamClosed == NGHTTP2_STREAM_CLOSED);
static_assert(kFlowControlError == NGHTTP2_FLOW_CONTROL_ERROR);
static_assert(kCancel == NGHTTP2_CANCEL && kEnhanceYourCalm == NGHTTP2_ENHANCE_YOUR_CALM);
static_assert(kErrorDeferred == NGHTTP2_ERR_DEFERRED);
static_assert(kErrorTemporalCallbackFailure == NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
static_assert(kErrorCallbackFailure == NGHTTP2_ERR_CALLBACK_FAILURE);

// Every name of the table exists in the header, with as many arguments.
template <typename Result, typename... Arguments>
constexpr size_t CountArguments(Result (*)(Arguments...)) {
  return sizeof...(Arguments);
}
#define SERVING_SAME_ARGUMENTS(name, result, arguments)                              \
  static_assert(CountArguments(static_cast<decltype(&::nghttp2_##name)>(nullptr)) == \
                CountArguments(static_cast<decltype(Api::name)>(nullptr)));
SERVING_NGHTTP2_FUNCTIONS(SERVING_SAME_ARGUMENTS)

#endif  // SERVING_HAS_NGHTTP2_HEADER

TEST(Nghttp2Abi, FindsEveryFunction) {
  const auto api = Load();
  if (!api.ok()) GTEST_SKIP() << api.status().message();
  EXPECT_STREQ(api.value()->strerror(kErrorCallbackFailure), "The user callback function failed");
}

TEST(Nghttp2Abi, ComparesWithTheRealHeader) {
#ifndef SERVING_HAS_NGHTTP2_HEADER
  GTEST_SKIP() << "nghttp2/nghttp2.h is not installed (apt-get install libnghttp2-dev)";
#endif
}

TEST(Nghttp2Abi, DoesNotFindWhatIsNotThere) {
  EXPECT_EQ(FindSymbol("nghttp2_no_such_function"), nullptr);
}

}  // namespace
}  // namespace serving::net::nghttp2
