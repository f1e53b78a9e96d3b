// The node table: identity, lookup counts, names, descriptors.
#include "fs/nodes/node_table.h"

#include <malloc.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "fs/nodes/node_locks.h"
#include "fs/nodes/node_names.h"
#include "node_table_fixture.h"

namespace mirrorfs::fs {
namespace {

TEST_F(NodeTableTest, RootIsNodeOneAndStays) {
  NodeTable table(*source_, 8);
  EXPECT_EQ(table.root()->id(), kRootNode);
  table.forget(kRootNode, 1000);
  EXPECT_TRUE(table.find(kRootNode));
}

TEST_F(NodeTableTest, OneNodeForAllNamesOfAnObject) {
  make("a");
  std::filesystem::create_hard_link(folder_ + "/a", folder_ + "/b");
  NodeTable table(*source_, 8);
  EXPECT_EQ(look_up(table, table.root(), "a"), look_up(table, table.root(), "b"));
  EXPECT_EQ(table.size(), 2U);
}

TEST_F(NodeTableTest, NodeGoesWithItsLastLookupAndReference) {
  make("a");
  NodeTable table(*source_, 8);
  NodeRef node = look_up(table, table.root(), "a");
  table.add_lookup(node);
  const NodeId id = node->id();
  table.forget(id, 1);
  node = NodeRef();
  EXPECT_TRUE(table.find(id));
  table.forget(id, 1);
  EXPECT_FALSE(table.find(id));
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(NodeTableTest, ReferenceKeepsAForgottenNodeAndItsNumber) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeRef node = look_up(table, table.root(), "a");
  table.forget(node->id(), 1);
  EXPECT_EQ(look_up(table, table.root(), "a"), node);
}

TEST_F(NodeTableTest, NumbersAreNeverUsedAgain) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeId first = look_up(table, table.root(), "a")->id();
  table.forget(first, 1);
  EXPECT_GT(look_up(table, table.root(), "a")->id(), first);
}

TEST_F(NodeTableTest, ForgettingTooMuchOrTheUnknownIsHarmless) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeId id = look_up(table, table.root(), "a")->id();
  table.forget(id, 77);
  table.forget(id, 1);
  table.forget(NodeId{9999}, 1);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(NodeTableTest, NewObjectOfAnOldIdentityIsAnotherNode) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeRef old = look_up(table, table.root(), "a");
  const auto metadata = source_->stat_at(root_.get(), "a");
  const NodeRef made = table.acquire_new(*metadata);
  EXPECT_NE(made->id(), old->id());
  EXPECT_EQ(table.find(metadata->id()), made);
  EXPECT_EQ(table.find(old->id()), old);
}

TEST_F(NodeTableTest, ChildKeepsItsParentAndALongChainUnwinds) {
  constexpr int kDepth = 60;
  NodeTable table(*source_, 8);
  NodeRef node = table.root();
  std::string path = folder_;
  std::vector<NodeId> ids;
  for (int i = 0; i < kDepth; ++i) {
    path += "/d";
    std::filesystem::create_directory(path);
    node = look_up(table, node, "d");
    ids.push_back(node->id());
  }
  for (int i = 0; i + 1 < kDepth; ++i) table.forget(ids[static_cast<std::size_t>(i)], 1);
  EXPECT_EQ(table.size(), kDepth + 1U);
  node = NodeRef();
  table.forget(ids.back(), 1);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(NodeTableTest, LocationIsAKnownNameUntilTheLastIsRemoved) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeRef node = look_up(table, table.root(), "a");
  table.add_name(node, table.root(), "b");
  table.remove_name(node, table.root(), "a");
  EXPECT_EQ(table.location(node)->name, "b");
  EXPECT_EQ(table.location(node)->parent, table.root()->object());
  table.remove_name(node, table.root(), "b");
  EXPECT_EQ(table.location(node), std::nullopt);
  EXPECT_EQ(table.location(table.root()), std::nullopt);
}

TEST_F(NodeTableTest, DirectoryHasOneNameAndIsLearntThere) {
  std::filesystem::create_directory(folder_ + "/d");
  NodeTable table(*source_, 8);
  const NodeRef node = look_up(table, table.root(), "d");
  EXPECT_EQ(table.uppermost_unlearnt(node), node);
  table.set_learnt(node);
  EXPECT_FALSE(table.uppermost_unlearnt(node));
  table.remove_name(node, table.root(), "d");
  table.add_name(node, table.root(), "moved");
  EXPECT_FALSE(table.uppermost_unlearnt(node)) << "a rename through the mount is recorded";
  table.add_name(node, table.root(), "e");
  EXPECT_EQ(table.uppermost_unlearnt(node), node) << "moved behind our back";
  EXPECT_EQ(table.location(node)->name, "e");
}

TEST_F(NodeTableTest, DirectoriesAreLearntFromTheTopDown) {
  std::filesystem::create_directories(folder_ + "/a/b");
  make("a/b/file");
  NodeTable table(*source_, 8);
  const NodeRef a = look_up(table, table.root(), "a");
  const NodeRef b = look_up(table, a, "b");
  const NodeRef file = look_up(table, b, "file");
  EXPECT_EQ(table.uppermost_unlearnt(file), a);
  table.set_learnt(a);
  EXPECT_EQ(table.uppermost_unlearnt(file), b);
  EXPECT_EQ(table.location(file), std::nullopt) << "the engine could not tell where that is";
  table.set_learnt(b);
  EXPECT_FALSE(table.uppermost_unlearnt(file));
  EXPECT_EQ(table.location(file), (Location{.parent = b->object(), .name = "file"}));
  table.remove_name(b, a, "b");
  EXPECT_FALSE(table.uppermost_unlearnt(b)) << "what is gone needs no telling";
}

TEST_F(NodeTableTest, NameInALearntDirectoryIsPreferred) {
  std::filesystem::create_directories(folder_ + "/d");
  make("d/one");
  NodeTable table(*source_, 8);
  const NodeRef directory = look_up(table, table.root(), "d");
  const NodeRef file = look_up(table, directory, "one");
  table.add_name(file, table.root(), "two");
  EXPECT_FALSE(table.uppermost_unlearnt(file));
  EXPECT_EQ(table.location(file)->name, "two");
}

TEST_F(NodeTableTest, DirectoriesThatSeemToContainEachOtherDoNotLoop) {
  std::filesystem::create_directories(folder_ + "/a/b");
  NodeTable table(*source_, 8);
  const NodeRef a = look_up(table, table.root(), "a");
  const NodeRef b = look_up(table, a, "b");
  table.add_name(a, b, "a");  // as if a had been moved into b behind our back
  EXPECT_FALSE(table.has_name(b));
  EXPECT_EQ(NodeNames(*a).parent(0), b.get());
  EXPECT_FALSE(table.uppermost_unlearnt(a)) << "nobody knows where it is";
}

TEST_F(NodeTableTest, ManyNamesAreNotAllRemembered) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeRef node = look_up(table, table.root(), "a");
  for (int i = 0; i < 100; ++i) table.add_name(node, table.root(), std::to_string(i));
  EXPECT_EQ(NodeNames(*node).size(), NodeNames::kMost);
  EXPECT_TRUE(NodeNames(*node).contains(table.root().get(), "99"));
}

TEST_F(NodeTableTest, DescriptorsStayBoundedAndComeBack) {
  NodeTable table(*source_, 4);
  std::vector<NodeRef> nodes;
  for (int i = 0; i < 40; ++i) {
    std::filesystem::create_directories(folder_ + "/d" + std::to_string(i % 4));
    make("d" + std::to_string(i % 4) + "/" + std::to_string(i));
    const NodeRef directory = look_up(table, table.root(), "d" + std::to_string(i % 4));
    nodes.push_back(look_up(table, directory, std::to_string(i)));
  }
  for (int round = 0; round < 3; ++round) {
    for (const NodeRef& node : nodes) {
      const auto fd = table.descriptor(node);
      ASSERT_TRUE(fd) << fd.error().message();
      EXPECT_EQ(source_->stat((*fd)->get())->id(), node->object());
      EXPECT_LE(table.open_descriptors(), 4U);
    }
  }
}

TEST_F(NodeTableTest, AnotherObjectUnderTheNameIsStale) {
  make("a");
  NodeTable table(*source_, 4);
  const NodeRef node = look_up(table, table.root(), "a");
  std::filesystem::rename(folder_ + "/a", folder_ + "/away");
  make("a");
  const auto fd = table.descriptor(node);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code, ESTALE);
}

TEST_F(NodeTableTest, SymlinkInPlaceOfADirectoryIsNotFollowed) {
  std::filesystem::create_directory(folder_ + "/d");
  make("d/a");
  NodeTable table(*source_, 1);
  const NodeRef directory = look_up(table, table.root(), "d");
  const NodeRef node = look_up(table, directory, "a");
  make("other");
  (void)table.descriptor(look_up(table, table.root(), "other"));  // gives the directory's up
  std::filesystem::rename(folder_ + "/d", folder_ + "/away");
  std::filesystem::create_symlink("away", folder_ + "/d");
  const auto fd = table.descriptor(node);
  if (!fd) return;
  EXPECT_EQ(source_->stat((*fd)->get())->id(), node->object());
}

TEST_F(NodeTableTest, PinnedDescriptorOutlivesTheName) {
  make("a");
  NodeTable table(*source_, 2);
  const NodeRef node = look_up(table, table.root(), "a");
  SharedFd fd = table.descriptor_to_keep(node);
  ASSERT_TRUE(fd);
  std::filesystem::remove(folder_ + "/a");
  table.remove_name(node, table.root(), "a");
  table.pin_descriptor(node, fd);
  for (int i = 0; i < 10; ++i) {
    make(std::to_string(i));
    ASSERT_TRUE(table.descriptor(look_up(table, table.root(), std::to_string(i))));
  }
  EXPECT_TRUE(table.descriptor(node));
}

TEST_F(NodeTableTest, DescriptorOfAnOpenFileServesTheNodeUntilItIsTakenBack) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeRef node = look_up(table, table.root(), "a");
  const SharedFd open = lend_open_file(table, node, "a");
  EXPECT_EQ(table.descriptor(node).value(), open);
  table.take_back_descriptor(node, open);
  EXPECT_EQ(open.use_count(), 1);
  EXPECT_NE(table.descriptor(node).value(), open);
}

TEST_F(NodeTableTest, WhatIsKeptOfAnObjectWithoutANameIsNotTheOpenFile) {
  make("a");
  NodeTable table(*source_, 8);
  const NodeRef node = look_up(table, table.root(), "a");
  const SharedFd open = lend_open_file(table, node, "a");
  const SharedFd kept = table.descriptor_to_keep(node);
  ASSERT_TRUE(kept);
  std::filesystem::remove(folder_ + "/a");
  table.remove_name(node, table.root(), "a");
  table.pin_descriptor(node, kept);
  table.take_back_descriptor(node, open);
  EXPECT_EQ(open.use_count(), 1);
  const auto descriptor = table.descriptor(node);
  ASSERT_TRUE(descriptor);
  EXPECT_NE(::fcntl((*descriptor)->get(), F_GETFL) & O_PATH, 0);
}

TEST_F(NodeTableTest, ThreadsThatLookUpAndForgetAgree) {
  for (int i = 0; i < 8; ++i) make(std::to_string(i));
  NodeTable table(*source_, 4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        const NodeRef node = look_up(table, table.root(), std::to_string(i % 8));
        EXPECT_EQ(table.find(node->id()), node);
        table.forget(node->id(), 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(NodeTableTest, LocksInAnyOrderDoNotDeadlock) {
  make("a");
  make("b");
  NodeTable table(*source_, 4);
  const NodeRef a = look_up(table, table.root(), "a"), b = look_up(table, table.root(), "b");
  int shared = 0;
  const auto work = [&shared](std::initializer_list<Node*> nodes) {
    for (int i = 0; i < 5000; ++i) {
      const NodeLocks locks(nodes);
      ++shared;
    }
  };
  std::thread first([&] { work({a.get(), b.get(), nullptr, a.get()}); });
  std::thread second([&] { work({b.get(), table.root().get(), a.get()}); });
  first.join();
  second.join();
  EXPECT_EQ(shared, 10'000);
}

TEST(NodeSize, OneNodeWithItsPlaceInTheTableIsBelow400Bytes) {
  constexpr std::size_t kSetNodes = 2 * (32 + 8);  // two hash sets: a list node and a bucket each
  constexpr std::size_t kMallocHead = 16, kHandle = 48, kLongName = 48;
  EXPECT_LT(sizeof(Node) + kSetNodes + kMallocHead + kHandle + kLongName, 400U);
}

/// All that a known object costs: the node, its name, its places in the table and its file handle.
TEST_F(NodeTableTest, AKnownNodeTakesLessThan400Bytes) {
  constexpr unsigned kNodes = 4'000;
  NodeTable table(*source_, 64);
  const std::size_t before = ::mallinfo2().uordblks;
  for (unsigned number = 0; number < kNodes; ++number) {
    const std::string name = "a-name-of-30-bytes-in-all-" + std::to_string(10'000 + number);
    make(name);
    const NodeRef node = look_up(table, table.root(), name);
    ASSERT_TRUE(table.descriptor(node));
    std::filesystem::remove(folder_ + "/" + name);
  }
  EXPECT_EQ(table.size(), kNodes + 1);
  const std::size_t each = (::mallinfo2().uordblks - before) / kNodes;
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LT(each, 400U);
}

}  // namespace
}  // namespace mirrorfs::fs
