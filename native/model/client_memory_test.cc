// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What an execution does with memory that a client shares: lend it where that is safe, copy where
// the backend would trust its contents.

#include <gtest/gtest.h>

#include <string>

#include "backend/copy_inputs.h"
#include "model/execution.h"
#include "testing/client_memory.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using serving::testing::MakeBuffer;
using serving::testing::MakePlan;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedInstance;
using serving::testing::Share;
using serving::testing::TextOf;
using serving::testing::Unlimited;
using tensor::DataType;

constexpr size_t kBytes = 64;

class ClientMemoryTest : public ::testing::Test, public ExecutionListener {
 protected:
  void Use(DataType type, bool only_copies_values = false) {
    plan_ = MakePlan("scripted", 8, type);
    execution_ = std::make_unique<Execution>(plan_, 0, 1, Unlimited(), this, only_copies_values);
  }
  // A request whose input lies in the client's memory.
  RequestBuilder Request(const core::ClientMemoryRef& memory) {
    RequestBuilder builder;
    const auto elements = static_cast<int64_t>(memory->capacity() /
                                               tensor::ByteSize(plan_.inputs[0].tensor.data_type));
    builder.Input(0, plan_.inputs[0].tensor.data_type, {1, elements}, "");
    core::InputTensor& input = builder.request().inputs[0];
    input.parts = {{.data = memory->data(), .size = memory->capacity()}};
    input.byte_size = memory->capacity();
    builder.request().client_memory.push_back(memory);
    return builder;
  }
  void Want(RequestBuilder& builder, const core::ClientMemoryRef& place) {
    builder.Want(0);
    builder.request().wanted[0].place = place;
    builder.request().client_memory.push_back(place);
  }
  // Where the backend finds the input and is given room for the output.
  struct Seen {
    const std::byte* input = nullptr;
    const std::byte* output = nullptr;
    bool keeps_input = false;
  };
  Seen Run(RequestBuilder& builder, size_t output_bytes = kBytes) {
    const auto sink = builder.sink();
    execution_->Add(builder.Take());
    Seen seen;
    ScriptedInstance instance([&](Batch& batch) {
      seen.input = batch.inputs()[0].view.data;
      seen.keeps_input = static_cast<bool>(batch.inputs()[0].owner);
      const base::BufferRef room = batch.AllocateOutput(0, output_bytes);
      seen.output = room->data();
      batch.Complete(backend::CopyInputs("", batch));
    });
    execution_->Run(instance, std::chrono::steady_clock::now());
    sink->Wait();
    return seen;
  }
  void OnExecuted(int, const base::Status&, bool) override { execution_->Deliver(); }

  core::ModelPlan plan_;
  std::unique_ptr<Execution> execution_;
  const base::BufferRef region_ = MakeBuffer(std::string(4 * kBytes, 'r'));
};

TEST_F(ClientMemoryTest, LendsNumbersThatOnlyMakeAResult) {
  for (const DataType type : {DataType::kFp32, DataType::kFp64, DataType::kFp16, DataType::kBf16}) {
    Use(type);
    const auto memory = Share(region_, 1, 0, kBytes);
    RequestBuilder request = Request(memory);
    const Seen seen = Run(request);
    EXPECT_EQ(seen.input, memory->data());
    EXPECT_TRUE(seen.keeps_input);
  }
}

TEST_F(ClientMemoryTest, CopiesWhatMayBeAnIndex) {
  for (const DataType type :
       {DataType::kInt64, DataType::kInt8, DataType::kUint32, DataType::kBool}) {
    Use(type);
    RequestBuilder request = Request(Share(region_, 1, 0, kBytes));
    EXPECT_NE(Run(request).input, region_->data());
  }
}

TEST_F(ClientMemoryTest, LendsEveryTypeToABackendThatOnlyCopies) {
  Use(DataType::kInt64, /*only_copies_values=*/true);
  RequestBuilder request = Request(Share(region_, 1, 0, kBytes));
  EXPECT_EQ(Run(request).input, region_->data());
}

TEST_F(ClientMemoryTest, GivesTheBackendTheClientsPlace) {
  Use(DataType::kFp32);
  RequestBuilder request = Request(Share(region_, 1, 0, kBytes));
  Want(request, Share(region_, 1, kBytes, 2 * kBytes));
  EXPECT_EQ(Run(request).output, region_->data() + kBytes);
}

TEST_F(ClientMemoryTest, GivesMemoryOfItsOwnWhereThePlaceWillNotDo) {
  struct Case {
    const char* why;
    DataType type;
    size_t offset;
    size_t size;
  };
  for (const Case& c : {Case{"too small", DataType::kFp32, kBytes, kBytes - 4},
                        Case{"not aligned", DataType::kFp32, kBytes + 4, 2 * kBytes},
                        Case{"over the input", DataType::kFp32, 0, 2 * kBytes},
                        Case{"may be an index", DataType::kInt32, kBytes, 2 * kBytes}}) {
    Use(c.type);
    RequestBuilder request = Request(Share(region_, 1, 0, kBytes));
    Want(request, Share(region_, 1, c.offset, c.size));
    const Seen seen = Run(request);
    EXPECT_TRUE(seen.output < region_->data() || seen.output >= region_->data() + 4 * kBytes)
        << c.why;
  }
}

TEST_F(ClientMemoryTest, KnowsAnInputUnderAnotherAddress) {
  Use(DataType::kFp32);
  const base::BufferRef second_mapping = MakeBuffer(std::string(4 * kBytes, 'r'));
  RequestBuilder request = Request(Share(region_, 1, 0, kBytes));
  Want(request, Share(second_mapping, 1, 0, kBytes));
  EXPECT_NE(Run(request).output, second_mapping->data());
  RequestBuilder other = Request(Share(region_, 1, 0, kBytes));
  Want(other, Share(second_mapping, 2, 0, kBytes));
  EXPECT_EQ(Run(other).output, second_mapping->data());
}

TEST_F(ClientMemoryTest, APlaceThatIsItsOwnInputIsNotWrittenTooEarly) {
  Use(DataType::kFp32);
  const auto memory = Share(region_, 1, 0, kBytes);
  RequestBuilder request = Request(memory);
  Want(request, memory);
  EXPECT_NE(Run(request).output, region_->data());
}

TEST_F(ClientMemoryTest, BatchesOfSeveralAreGatheredAndGetTheirOwnMemory) {
  Use(DataType::kFp32);
  RequestBuilder first = Request(Share(region_, 1, 0, kBytes));
  RequestBuilder second = Request(Share(region_, 1, kBytes, kBytes));
  Want(second, Share(region_, 1, 2 * kBytes, kBytes));
  execution_->Add(first.Take());
  const Seen seen = Run(second, 2 * kBytes);
  EXPECT_TRUE(seen.input < region_->data() || seen.input >= region_->data() + 4 * kBytes);
  EXPECT_TRUE(seen.output < region_->data() || seen.output >= region_->data() + 4 * kBytes);
}

}  // namespace
}  // namespace serving::model
