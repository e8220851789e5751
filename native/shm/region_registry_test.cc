// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "shm/region_registry.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "base/thread.h"
#include "shm/test_object.h"

namespace serving::shm {
namespace {

using base::StatusCode;

std::string TextOf(const core::ClientMemory& memory) {
  return {reinterpret_cast<const char*>(memory.data()), memory.capacity()};
}

struct Refusal {
  StatusCode code;
  std::string text;
};

void ExpectRefusal(const base::Status& status, const Refusal& expected) {
  EXPECT_EQ(status.message(), expected.text);
  EXPECT_EQ(status.code(), expected.code) << expected.text;
}

TEST(RegionRegistry, ReadsAndWritesTheClientsBytesAtAnyOffset) {
  TestObject object(10'000);
  object.Write(5'001, "hello");
  RegionRegistry registry;
  ASSERT_TRUE(registry.Register(SystemRegion{"r", object.key(), 5'001, 4'999}).ok());
  const auto memory = registry.Find("r", 0, 5).Take();
  EXPECT_EQ(TextOf(*memory), "hello");
  object.Write(5'001, "J");
  EXPECT_EQ(TextOf(*memory), "Jello");
  std::memcpy(registry.Find("r", 4'994, 5).Take()->data(), "world", 5);
  EXPECT_EQ(object.Read(9'995, 100), "world");
}

TEST(RegionRegistry, TakesOneKeyUnderSeveralNamesWithAndWithoutSlash) {
  TestObject object(64, "abc");
  RegionRegistry registry;
  ASSERT_TRUE(registry.Register(SystemRegion{"one", object.key(), 0, 64}).ok());
  ASSERT_TRUE(registry.Register(SystemRegion{"two", object.key().substr(1), 0, 64}).ok());
  std::memcpy(registry.Find("one", 0, 3).Take()->data(), "xyz", 3);
  EXPECT_EQ(TextOf(*registry.Find("two", 0, 3).Take()), "xyz");
  const auto one = registry.Find("one", 0, 8).Take();
  EXPECT_TRUE(one->Overlaps(*registry.Find("two", 7, 8).Take()));
  EXPECT_FALSE(one->Overlaps(*registry.Find("two", 8, 8).Take()));
  TestObject another(64);
  ASSERT_TRUE(registry.Register(SystemRegion{"three", another.key(), 0, 64}).ok());
  EXPECT_FALSE(one->Overlaps(*registry.Find("three", 0, 64).Take()));
}

TEST(RegionRegistry, RefusesRangesThatTheObjectDoesNotHave) {
  TestObject object(4'096);
  RegionRegistry registry;
  const std::string invalid = "failed to register shared memory region 'r': invalid args";
  for (const auto& [offset, size] :
       std::vector<std::pair<uint64_t, uint64_t>>{{0, 4'097},
                                                  {4'096, 1},
                                                  {5'000, 0},
                                                  {1, UINT64_MAX},
                                                  {UINT64_MAX, 1},
                                                  {UINT64_MAX, 2},
                                                  {uint64_t{1} << 63, uint64_t{1} << 63},
                                                  {0, uint64_t{1} << 63}}) {
    ExpectRefusal(registry.Register(SystemRegion{"r", object.key(), offset, size}),
                  {StatusCode::kInvalidArgument, invalid});
  }
  ExpectRefusal(registry.Register(SystemRegion{"r", object.key(), 0, 0}),
                {StatusCode::kInvalidArgument,
                 "failed to register shared memory region 'r': unable to process address "
                 "spaceInvalid argument"});
  EXPECT_TRUE(registry.List().empty());
}

TEST(RegionRegistry, RefusesKeysThatNameNoSharedMemory) {
  RegionRegistry registry;
  const TestObject object(64);
  const std::string name = object.key().substr(1);
  const std::vector<std::string> keys{"",
                                      "/",
                                      ".",
                                      "..",
                                      "/.",
                                      "/..",
                                      "/../etc/passwd",
                                      "../" + name,
                                      "//" + name,
                                      "/a/b",
                                      name + "/",
                                      "/../shm/" + name,
                                      "/dev/shm/" + name,
                                      std::string("/") + name + '\0',
                                      "/" + std::string(256, 'x'),
                                      "/no_such_object_of_nereid"};
  for (const std::string& key : keys) {
    ExpectRefusal(registry.Register(SystemRegion{"r", key, 0, 1}),
                  {StatusCode::kInternal, "Unable to open shared memory region: '" + key + "'"});
  }
}

TEST(RegionRegistry, RefusesReservedKeysInEverySpelling) {
  for (const std::string& prefix :
       {std::string("triton_python_backend_shm_region_"), std::string("nereid_shm_region_")}) {
    for (const std::string& key : {prefix + "1", "/" + prefix, "/" + prefix + "x_y"}) {
      RegionRegistry registry;
      ExpectRefusal(registry.Register(SystemRegion{"mine", key, 0, 1}),
                    {StatusCode::kInvalidArgument,
                     "cannot register shared memory region 'mine' with key '" + key +
                         "' as the key contains the reserved prefix '" + prefix + "'"});
    }
  }
}

// What is in the folder of shared memory but no object of it.
class OddEntries : public ::testing::Test {
 protected:
  ~OddEntries() override { unlink(path_.c_str()); }
  void ExpectUnable() {
    RegionRegistry registry;
    ExpectRefusal(registry.Register(SystemRegion{"r", key_, 0, 1}),
                  {StatusCode::kInternal, "Unable to open shared memory region: '" + key_ + "'"});
  }

  const std::string key_ = "/nereid_test_odd_" + std::to_string(getpid());
  const std::string path_ = "/dev/shm" + key_;
};

TEST_F(OddEntries, LinksAreNotFollowed) {
  const TestObject target(64);
  ASSERT_EQ(symlink(("/dev/shm" + target.key()).c_str(), path_.c_str()), 0);
  ExpectUnable();
}

TEST_F(OddEntries, PipesAreNotWaitedFor) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  ExpectUnable();
}

TEST_F(OddEntries, FoldersAreNoRegions) {
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  ExpectUnable();
  rmdir(path_.c_str());
}

TEST(RegionRegistry, KnowsANameOnce) {
  TestObject object(64);
  RegionRegistry registry;
  ASSERT_TRUE(registry.Register(SystemRegion{"r", object.key(), 0, 64}).ok());
  const Refusal exists{StatusCode::kAlreadyExists, "shared memory region 'r' already in manager"};
  ExpectRefusal(registry.Register(SystemRegion{"r", object.key(), 0, 64}), exists);
  ExpectRefusal(registry.Register(SystemRegion{"r", "/nothing_there", 0, 0}), exists);
  ExpectRefusal(registry.Register(CudaRegion{.name = "r", .handle = {}, .byte_size = 1}), exists);
  registry.Unregister(RegionKind::kSystem, "r");
  EXPECT_TRUE(registry.Register(SystemRegion{"r", object.key(), 0, 64}).ok());
}

TEST(RegionRegistry, BoundsNamesAndTheirNumber) {
  TestObject object(64);
  RegionRegistry registry;
  const auto add = [&](std::string name) {
    return registry.Register(SystemRegion{std::move(name), object.key(), 0, 64});
  };
  EXPECT_EQ(add(std::string(RegionRegistry::kMaxNameBytes + 1, 'n')).code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(add(std::string(RegionRegistry::kMaxNameBytes, 'n')).ok());
  for (size_t i = 1; i < RegionRegistry::kMaxRegions; ++i) ASSERT_TRUE(add(std::to_string(i)).ok());
  EXPECT_EQ(add("one more").message(),
            "failed to register shared memory region 'one more': there are 1024 regions, "
            "unregister one first");
  registry.Unregister(RegionKind::kSystem, "1");
  EXPECT_TRUE(add("one more").ok());
  registry.Unregister(RegionKind::kSystem, "");
  EXPECT_TRUE(registry.List().empty());
}

TEST(RegionRegistry, FindsOnlyRangesInside) {
  TestObject object(100);
  RegionRegistry registry;
  ASSERT_TRUE(registry.Register(SystemRegion{"r", object.key(), 0, 64}).ok());
  const auto refusal = [&](uint64_t offset, uint64_t size) {
    return registry.Find("r", offset, size).status().message();
  };
  EXPECT_EQ(refusal(64, 0), "Invalid offset for shared memory region: 'r'");
  EXPECT_EQ(refusal(UINT64_MAX, 1), "Invalid offset for shared memory region: 'r'");
  EXPECT_EQ(refusal(0, 65), "Invalid offset + byte size for shared memory region: 'r'");
  EXPECT_EQ(refusal(63, 2), "Invalid offset + byte size for shared memory region: 'r'");
  EXPECT_EQ(refusal(0, UINT64_MAX), "Invalid offset + byte size for shared memory region: 'r'");
  EXPECT_EQ(refusal(8, UINT64_MAX),
            "Integer overflow detected: byte_size (18446744073709551615) + offset (8) exceeds "
            "maximum value (18446744073709551615) for region 'r'");
  ExpectRefusal(registry.Find("none", 0, 1).status(),
                {StatusCode::kNotFound, "Unable to find shared memory region: 'none'"});
  EXPECT_EQ(registry.Find("r", 63, 1).Take()->capacity(), 1u);
  EXPECT_EQ(registry.Find("r", 10, 0).Take()->capacity(), 0u);
}

TEST(RegionRegistry, MemoryOutlivesItsNameAndTheRegistry) {
  TestObject object(64, "abc");
  core::ClientMemoryRef memory;
  {
    RegionRegistry registry;
    ASSERT_TRUE(registry.Register(SystemRegion{"r", object.key(), 0, 64}).ok());
    memory = registry.Find("r", 1, 2).Take();
    registry.Unregister(RegionKind::kSystem, "r");
    EXPECT_FALSE(registry.Find("r", 0, 1).ok());
  }
  EXPECT_EQ(TextOf(*memory), "bc");
}

TEST(RegionRegistry, ABrokenRegionIsRefusedUntilItIsRegisteredAgain) {
  TestObject object(8'192);
  RegionRegistry registry;
  const SystemRegion region{"r", object.key(), 0, 8'192};
  ASSERT_TRUE(registry.Register(region).ok());
  object.Resize(0);
  const auto memory = registry.Find("r", 0, 1).Take();
  EXPECT_EQ(memory->data()[0], std::byte{0});
  EXPECT_EQ(registry.Find("r", 0, 1).status().code(), StatusCode::kInvalidArgument);
  registry.Unregister(RegionKind::kSystem, "r");
  object.Resize(8'192);
  ASSERT_TRUE(registry.Register(region).ok());
  EXPECT_TRUE(registry.Find("r", 0, 1).ok());
}

TEST(RegionRegistry, WithoutAGpuCudaRegionsAreRefused) {
  RegionRegistry registry;
  ExpectRefusal(registry.Register(CudaRegion{.name = "c", .handle = {}, .byte_size = 4}),
                {StatusCode::kInvalidArgument,
                 "failed to register CUDA shared memory region: 'c', GPUs not supported"});
  EXPECT_TRUE(registry.List().empty());
}

class FakeCuda final : public CudaOpener {
 public:
  base::Result<core::ClientMemoryRef> Open(const CudaRegion& region) override {
    if (region.handle[0] == '-') return base::InvalidArgument("no such handle");
    return core::ClientMemoryRef(base::MakeRef<Memory>(region));
  }

 private:
  class Memory final : public core::ClientMemory {
   public:
    explicit Memory(const CudaRegion& region)
        : ClientMemory({reinterpret_cast<std::byte*>(4096), region.byte_size},
                       base::MemoryKind::kDevice, static_cast<int32_t>(region.device_id), {}) {}
    base::Status Check() const override { return {}; }
  };
};

TEST(RegionRegistry, OpensCudaRegionsThroughItsOpener) {
  RegionRegistry registry(std::make_unique<FakeCuda>());
  CudaRegion region{.name = "c", .handle = "short", .device_id = 3, .byte_size = 100};
  EXPECT_EQ(registry.Register(region).message(),
            "failed to register shared memory region: invalid args");
  region.handle = std::string(CudaRegion::kHandleBytes, '-');
  EXPECT_EQ(registry.Register(region).message(), "no such handle");
  region.handle[0] = '+';
  ASSERT_TRUE(registry.Register(region).ok());
  const auto memory = registry.Find("c", 10, 20).Take();
  EXPECT_EQ(memory->kind(), base::MemoryKind::kDevice);
  EXPECT_EQ(memory->device(), 3);
  const auto rows = registry.List();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].kind, RegionKind::kCuda);
  EXPECT_EQ(rows[0].device_id, 3);
  registry.Unregister(RegionKind::kSystem, "c");
  registry.Unregister(RegionKind::kSystem, "");
  EXPECT_EQ(registry.List().size(), 1u);
  registry.Unregister(RegionKind::kCuda, "c");
  EXPECT_TRUE(registry.List().empty());
}

TEST(RegionRegistry, RegionsComeAndGoWhileTheyAreUsedAndCut) {
  TestObject object(1 << 16);
  RegionRegistry registry;
  std::atomic<bool> is_over{false};
  std::atomic<size_t> found{0};
  std::vector<base::Thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back("reader", [&] {
      while (!is_over) {
        auto memory = registry.Find("r", 100, 60'000);
        if (!memory.ok()) continue;
        std::string copy(60'000, '\0');
        std::memcpy(copy.data(), memory.value()->data(), copy.size());
        std::memset(memory.value()->data() + 8'192, 'z', 1'000);
        ++found;
      }
    });
  }
  for (int i = 0; i < 300 || found < 10; ++i) {
    object.Resize(1 << 16);
    ASSERT_TRUE(registry.Register(SystemRegion{"r", object.key(), 0, 1 << 16}).ok());
    const auto memory = registry.Find("r", 0, 1 << 16);
    if (i % 3 == 0) object.Resize(4'096);
    registry.Unregister(RegionKind::kSystem, "r");
  }
  is_over = true;
  for (base::Thread& reader : readers) reader.Join();
  EXPECT_GE(found, 10u);
}

}  // namespace
}  // namespace serving::shm
