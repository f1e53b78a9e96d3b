// G2: XFS shows each ACL a second time, as trusted.SGI_ACL_FILE and trusted.SGI_ACL_DEFAULT, and
// takes changes there too; the replica, of whatever kind, gets the ACL.
#include <gtest/gtest.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include <ostream>
#include <string>

#include "mirror_mount.h"
#include "operation_table.h"

namespace mirrorfs::test {
namespace {

constexpr const char* kAccess = "system.posix_acl_access";
constexpr const char* kDefault = "system.posix_acl_default";
constexpr const char* kAccessOfXfs = "trusted.SGI_ACL_FILE";
constexpr const char* kDefaultOfXfs = "trusted.SGI_ACL_DEFAULT";

std::string xattr_of(const Path& path, const char* name) {
  std::string value(XATTR_SIZE_MAX, '\0');
  const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
  return size < 0 ? "none" : value.substr(0, static_cast<std::size_t>(size));
}

struct Pair {
  Filesystem source, replica;
};

void PrintTo(const Pair& pair, std::ostream* stream) {
  *stream << to_string(pair.source) << " to " << to_string(pair.replica);
}

class AclOfXfs : public testing::TestWithParam<Pair> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// With an ACL of each kind, and a file and a directory without, whose modes fit that ACL.
  static MirrorMount& with_acls(MirrorMount& mirror) {
    mirror.start();
    make_directory(mirror.mount("model"));
    set_xattr(mirror.mount("model"), kAccess, some_acl(1234, 6));
    set_xattr(mirror.mount("model"), kDefault, some_acl(1234, 5));
    write_file(mirror.mount("file"), "file");
    make_directory(mirror.mount("directory"));
    for (const char* const name : {"file", "directory"}) change_mode(mirror.mount(name), 0771);
    return mirror;
  }
};

TEST_P(AclOfXfs, G2_SetAndRemovedInItsOwnFormReachesTheReplica) {
  MirrorMount mirror({.source = GetParam().source, .replica = GetParam().replica});
  with_acls(mirror);
  const std::string access = xattr_of(mirror.mount("model"), kAccessOfXfs);
  const std::string inherited = xattr_of(mirror.mount("model"), kDefaultOfXfs);
  ASSERT_NE(access, "none");
  for (const char* const name : {"file", "directory"}) {
    set_xattr(mirror.mount(name), kAccessOfXfs, access);
  }
  set_xattr(mirror.mount("directory"), kDefaultOfXfs, inherited);
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(xattr_of(mirror.replica("file"), kAccess), some_acl(1234, 6));
  EXPECT_EQ(xattr_of(mirror.replica("directory"), kAccess), some_acl(1234, 6));
  EXPECT_EQ(xattr_of(mirror.replica("directory"), kDefault), some_acl(1234, 5));

  remove_xattr(mirror.mount("file"), kAccessOfXfs);
  remove_xattr(mirror.mount("directory"), kDefaultOfXfs);
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(xattr_of(mirror.replica("file"), kAccess), "none");
  EXPECT_EQ(xattr_of(mirror.replica("directory"), kAccess), some_acl(1234, 6));
  EXPECT_EQ(xattr_of(mirror.replica("directory"), kDefault), "none");
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(G2, AclOfXfs,
                         testing::Values(Pair{Filesystem::kXfs, Filesystem::kXfs},
                                         Pair{Filesystem::kXfs, Filesystem::kExt4}),
                         [](const auto& test) { return to_string(test.param.replica); });

/// Where these names are like any other, an XFS replica would take them for an ACL.
TEST(NamesLikeAclsOfXfs, G2_DoNotGiveTheReplicaAnAcl) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount model({.source = Filesystem::kXfs, .replica = Filesystem::kTmpfs});
  write_file(model.source("file"), "");
  set_xattr(model.source("file"), kAccess, some_acl(1234, 6));
  const std::string acl = xattr_of(model.source("file"), kAccessOfXfs);

  MirrorMount mirror({.source = Filesystem::kExt4, .replica = Filesystem::kXfs});
  mirror.start();
  write_file(mirror.mount("file"), "");
  set_xattr(mirror.mount("file"), kAccessOfXfs, acl);
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(xattr_of(mirror.source("file"), kAccessOfXfs), acl);
  EXPECT_EQ(xattr_of(mirror.replica("file"), kAccess), "none");
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
