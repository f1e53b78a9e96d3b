// Who may keep set-id bits and file capabilities when a file is changed, as on the source.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

constexpr const char* kCapability = "security.capability";

/// The effective capabilities of the calling process with and without CAP_FSETID.
int set_fsetid(bool wanted) {
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[2] = {};
  if (::syscall(SYS_capget, &head, sets) != 0) return errno;
  sets[0].effective =
      wanted ? sets[0].permitted & (1U << CAP_FSETID) : sets[0].effective & ~(1U << CAP_FSETID);
  return ::syscall(SYS_capset, &head, sets) == 0 ? 0 : errno;
}

struct Change {
  const char* name;
  int (*make)(const std::string& path);
};

int with_descriptor(const std::string& path, int flags, int (*body)(int fd)) {
  const UniqueFd fd(::open(path.c_str(), flags));
  return fd ? body(fd.get()) : errno;
}

constexpr Change kChanges[] = {
    {"write",
     [](const std::string& path) {
       return with_descriptor(path, O_WRONLY,
                              [](int fd) { return ::write(fd, "y", 1) == 1 ? 0 : 1; });
     }},
    {"truncate", [](const std::string& path) { return error_of(::truncate(path.c_str(), 1)); }},
    {"open with O_TRUNC",
     [](const std::string& path) {
       return with_descriptor(path, O_WRONLY | O_TRUNC, [](int) { return 0; });
     }},
    {"fallocate",
     [](const std::string& path) {
       return with_descriptor(path, O_WRONLY,
                              [](int fd) { return error_of(::fallocate(fd, 0, 0, 100)); });
     }},
    {"copy_file_range",
     [](const std::string& path) {
       return with_descriptor(path, O_RDWR, [](int fd) {
         off_t from = 0, to = 5;
         return ::copy_file_range(fd, &from, fd, &to, 3, 0) == 3 ? 0 : 1;
       });
     }},
};

/// An access ACL that says what mode 0755 says (acl(5); fs/posix_acl.c lays it out so).
int set_acl(const std::string& path) {
  const unsigned char acl[] = {2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 4,   0,
                               5, 0, 255, 255, 255, 255, 32, 0, 5,   0,   255, 255, 255, 255};
  return error_of(::setxattr(path.c_str(), "system.posix_acl_access", acl, sizeof acl, 0));
}

class SetId : public Mounted {
 protected:
  /// The permissions of a file of 1234:777 after each change by `user`, who is `prepared` first.
  void expect_after_changes(
      mode_t mode, mode_t expected, const User& user,
      const std::function<int()>& prepared = [] { return 0; }) {
    for (const Change& change : kChanges) {
      make_file("file", "content");
      ASSERT_EQ(::chown(mount("file").c_str(), 1234, 777), 0);
      ASSERT_EQ(::chmod(mount("file").c_str(), mode), 0);
      EXPECT_EQ(as_user(user,
                        [&] {
                          const int failed = prepared();
                          return failed != 0 ? failed : change.make(mount("file"));
                        }),
                0)
          << change.name;
      EXPECT_EQ(look("file").permissions(), expected) << change.name;
      struct stat shown{};
      ASSERT_EQ(::stat(mount("file").c_str(), &shown), 0);
      EXPECT_EQ(shown.st_mode & 07777, expected) << change.name;
      ASSERT_EQ(::unlink(mount("file").c_str()), 0);
    }
  }

  void make_tool(mode_t mode) {
    make_file("tool", std::string(4096, 'x'));
    ASSERT_EQ(::chown(mount("tool").c_str(), 1234, 777), 0);
    vfs_cap_data value{};
    value.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
    value.data[0].permitted = 1U << CAP_NET_RAW;
    ASSERT_EQ(::setxattr(mount("tool").c_str(), kCapability, &value, sizeof value, 0), 0);
    ASSERT_EQ(::chmod(mount("tool").c_str(), mode), 0);
  }
};

const User kRoot{.uid = 0, .gid = 0, .groups = {}};

TEST_F(SetId, BitsGoWhenTheOwnerChangesTheContent) {
  expect_after_changes(06777, 0777, {.uid = 1234, .gid = 1234, .groups = {777}});
}

TEST_F(SetId, GroupBitStaysForMembersWhereTheGroupMayNotExecute) {
  expect_after_changes(02766, 02766, {.uid = 1234, .gid = 1234, .groups = {777}});
  expect_after_changes(02766, 0766, {.uid = 1234, .gid = 1234, .groups = {778}});
}

TEST_F(SetId, BitsStayForRoot) { expect_after_changes(06777, 06777, kRoot); }

TEST_F(SetId, BitsGoForRootWithoutTheRight) {
  expect_after_changes(06777, 0777, kRoot, [] { return set_fsetid(false); });
}

TEST_F(SetId, BitsStayForAnOrdinaryUserWithTheRight) {
  expect_after_changes(06777, 06777, kRoot, [] {
    if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::setuid(1234) != 0) return errno;
    return set_fsetid(true);
  });
}

TEST_F(SetId, RightsInAnotherUserNamespaceCountForNothing) {
  if (as_user({}, [] { return error_of(::unshare(CLONE_NEWUSER)); }) != 0) {
    GTEST_SKIP() << "no user namespaces for ordinary users";
  }
  expect_after_changes(06777, 0777, {.uid = 1234, .gid = 1234, .groups = {}},
                       [] { return error_of(::unshare(CLONE_NEWUSER)); });
}

TEST_F(SetId, ChownThatNamesNobodyClearsThem) {
  for (const User& user : {kRoot, User{.uid = 1234, .gid = 1234, .groups = {}}}) {
    make_file("file");
    ASSERT_EQ(::chown(mount("file").c_str(), 1234, 777), 0);
    ASSERT_EQ(::chmod(mount("file").c_str(), 06755), 0);
    (void)take();
    const auto chown = [this] {
      return error_of(
          ::chown(mount("file").c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
    };
    ASSERT_EQ(as_user(user, chown), 0);
    EXPECT_EQ(look("file").permissions(), 0755U);
    EXPECT_EQ(take_one<SetAttributes>().after.permissions(), 0755U);
    ASSERT_EQ(::unlink(mount("file").c_str()), 0);
  }
}

TEST_F(SetId, AccessAclClearsTheGroupBitForWhoIsNoMember) {
  const auto permissions_after = [&](const User& user, bool without_right) {
    make_file("file");
    EXPECT_EQ(::chown(mount("file").c_str(), 1234, 777), 0);
    EXPECT_EQ(::chmod(mount("file").c_str(), 02755), 0);
    EXPECT_EQ(as_user(user,
                      [&] {
                        const int failed = without_right ? set_fsetid(false) : 0;
                        return failed != 0 ? failed : set_acl(mount("file"));
                      }),
              0);
    const mode_t permissions = look("file").permissions();
    EXPECT_EQ(::unlink(mount("file").c_str()), 0);
    return permissions;
  };
  EXPECT_EQ(permissions_after(kRoot, false), 02755U);
  EXPECT_EQ(permissions_after(kRoot, true), 0755U);
  EXPECT_EQ(permissions_after({.uid = 1234, .gid = 1234, .groups = {777}}, false), 02755U);
  EXPECT_EQ(permissions_after({.uid = 1234, .gid = 1234, .groups = {}}, false), 0755U);
}

/// Runs `work` as root of a user namespace whose users and groups are ours from `first` on.
int as_root_of_namespace(unsigned first, const std::function<int()>& work) {
  int ready[2], mapped[2];
  if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(mapped, O_CLOEXEC) != 0) return errno;
  const UniqueFd ends[] = {UniqueFd(ready[0]), UniqueFd(ready[1]), UniqueFd(mapped[0]),
                           UniqueFd(mapped[1])};
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    const bool entered = ::unshare(CLONE_NEWUSER) == 0 && ::write(ready[1], "r", 1) == 1 &&
                         ::read(mapped[0], &byte, 1) == 1 && ::setgroups(0, nullptr) == 0 &&
                         ::setgid(0) == 0 && ::setuid(0) == 0;
    ::_exit(entered ? work() : 255);
  }
  char byte = 0;
  if (::read(ready[0], &byte, 1) != 1) return EPROTO;
  const std::string line = "0 " + std::to_string(first) + " 1000";
  for (const char* const file : {"/uid_map", "/gid_map"}) {
    const UniqueFd map(::open(("/proc/" + std::to_string(child) + file).c_str(), O_WRONLY));
    if (::write(map.get(), line.data(), line.size()) < 0) return errno;
  }
  int status = 0;
  if (::write(mapped[1], "m", 1) != 1 || ::waitpid(child, &status, 0) != child) return errno;
  return WEXITSTATUS(status);
}

// Who is root over the owner and the group keeps the bit, over one of them does not.
TEST_F(SetId, RootOfAUserNamespaceIsTreatedAsOnTheSource) {
  struct Owners {
    uid_t user;
    gid_t group;
  };
  const auto outcome = [&](const std::string& path, const Owners& owners, mode_t mode,
                           const Change& change) {
    std::ofstream(path) << "content";
    EXPECT_EQ(::chown(path.c_str(), owners.user, owners.group), 0);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    const int error = as_root_of_namespace(100'000, [&] { return change.make(path); });
    struct stat now{};
    EXPECT_EQ(::stat(path.c_str(), &now), 0);
    EXPECT_EQ(::unlink(path.c_str()), 0);
    return std::pair(error, now.st_mode & 07777U);
  };
  std::vector<Change> changes(std::begin(kChanges), std::end(kChanges));
  changes.push_back({"access ACL", set_acl});
  changes.push_back({"chown", [](const std::string& path) {
                       return error_of(::chown(path.c_str(), static_cast<uid_t>(-1), 7));
                     }});
  for (const Owners& owners : {Owners{100'005, 100'006}, {100'005, 6}, {5, 100'006}}) {
    for (const mode_t mode : {mode_t{02766}, mode_t{02777}, mode_t{06766}}) {
      for (const Change& change : changes) {
        EXPECT_EQ(outcome(mount("file"), owners, mode, change),
                  outcome(source("below"), owners, mode, change))
            << change.name << " of " << owners.user << ':' << owners.group << std::oct << ", "
            << mode;
      }
    }
  }
}

TEST_F(SetId, RootsWriteTakesCapabilitiesAndLeavesTheBits) {
  make_tool(06777);
  const UniqueFd fd = open("tool", O_WRONLY);
  ASSERT_EQ(::write(fd.get(), "y", 1), 1);
  EXPECT_EQ(look("tool").permissions(), 06777U);
  EXPECT_EQ(error_of(::getxattr(source("tool").c_str(), kCapability, nullptr, 0)), ENODATA);
}

TEST_F(SetId, WriteToAMappingLeavesCapabilitiesAndBits) {
  make_tool(06777);
  const UniqueFd fd = open("tool", O_RDWR);
  void* const map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  (void)take();
  *static_cast<char*>(map) = 'm';
  ASSERT_EQ(::msync(map, 4096, MS_SYNC), 0);
  ::munmap(map, 4096);
  EXPECT_EQ(look("tool").permissions(), 06777U);
  EXPECT_EQ(::getxattr(source("tool").c_str(), kCapability, nullptr, 0),
            static_cast<ssize_t>(sizeof(vfs_cap_data)));
  auto operations = take();
  ASSERT_FALSE(operations.empty());
  // A replica that is written as root loses them and gets them back.
  ASSERT_TRUE(std::holds_alternative<Write>(operations.front()));
  const auto set = only<SetXattr>(operations);
  ASSERT_EQ(set.size(), 1U);
  EXPECT_EQ(set[0].name, kCapability);
}

}  // namespace
}  // namespace mirrorfs::testing
