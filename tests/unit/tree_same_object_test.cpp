// Policy::same_object: names that change hands between the look that the claims are for and the
// comparison by name. Mutants, each seen to fail here: is_still_there() says yes; check_same() lets
// all pass.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include "engine/compare/entry.h"
#include "engine/ring/ring.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class NoDirectories final : public copy::ReplicaDirectories {
 public:
  ring::Task<Result<std::shared_ptr<const objects::DirFd>>> open_replica(ObjectId) override {
    co_return fail(ENOENT, "open", "a directory");
  }
};

class TreeSameObject : public TreeTest {
 protected:
  /// The replica has "name" under a further name, with an attribute; in the source another object
  /// takes "name" right after the look.
  void SetUp() override {
    ASSERT_TRUE(sync().failures.empty());
    write_file(source_ / "name", "");
    fs::create_hard_link(source_ / "name", source_ / "further");
    ASSERT_EQ(::setxattr((source_ / "name").c_str(), "user.one", "1", 1, 0), 0);
    ASSERT_TRUE(sync().failures.empty());
    source_fd_.reset(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    replica_fd_.reset(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto created = ring::Ring::create({});
    ASSERT_TRUE(created) << created.error().message();
    ring_ = *std::move(created);
    looked_ = look();
    write_file(source_ / "other", "");
    copy_mtime(source_ / "name", source_ / "other");
    fs::rename(source_ / "other", source_ / "name");
  }

  Metadata look() {
    Result<Metadata> found = fail(EIO, "statx", "name");
    const auto body = [&]() -> ring::Task<void> {
      found = co_await ring_->statx(source_fd_.get(), "name");
    };
    ring_->run_task(body());
    return found ? *found : Metadata{};
  }
  Result<compare::EntryResult> reconcile(const compare::Policy& policy) {
    Result<compare::EntryResult> result = fail(EIO, "reconcile", "name");
    replica::Writer writer(*ring_);
    NoDirectories directories;
    copy::HardlinkMap links(directories);
    compare::Observer observer;
    copy::Limits limits;
    const compare::Context context{.ring = *ring_,
                                   .writer = writer,
                                   .staging = nullptr,
                                   .hardlinks = links,
                                   .observer = observer,
                                   .limits = limits,
                                   .rights = objects::Rights::current({})};
    const compare::DirectoryPair pair{{}, source_fd_.get(), replica_fd_.get()};
    const auto body = [&]() -> ring::Task<void> {
      result = co_await compare::reconcile_known(context, pair, "name",
                                                 {.looked = true, .metadata = looked_}, {}, policy);
    };
    ring_->run_task(body());
    return result;
  }
  bool has_attribute() const {
    return ::getxattr((replica_ / "further").c_str(), "user.one", nullptr, 0) == 1;
  }

  UniqueFd source_fd_, replica_fd_;
  std::unique_ptr<ring::Ring> ring_;
  Metadata looked_;
};

TEST_F(TreeSameObject, AnotherObjectIsNotReconciledUnderTheClaimsOnTheFirst) {
  const auto result = reconcile({.compare = compare::Compare::kFull, .same_object = true});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, EBUSY);
  EXPECT_TRUE(has_attribute()) << "what goes by the name of before has further names";
}

TEST_F(TreeSameObject, WhatIsEqualByChanceIsAnotherObjectAllTheSame) {
  ASSERT_EQ(::setxattr((source_ / "name").c_str(), "user.one", "1", 1, 0), 0);
  const auto result = reconcile({.compare = compare::Compare::kFull, .same_object = true});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, EBUSY);
}

}  // namespace
}  // namespace mirrorfs::testing
