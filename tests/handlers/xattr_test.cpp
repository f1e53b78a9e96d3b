// Extended attributes and POSIX ACLs through the mount.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using Xattrs = Mounted;
using Acls = Mounted;

// Tags of acl(5) entries (linux/posix_acl.h).
constexpr std::uint16_t kUserObject = 1, kUser = 2, kGroupObject = 4, kMask = 0x10, kOther = 0x20;

struct AclEntry {
  std::uint16_t tag, permissions;
  std::uint32_t id;
};
constexpr std::uint32_t kNobody = 0xffffffff;

/// The value of system.posix_acl_*: a version and the entries.
std::string acl(std::initializer_list<AclEntry> entries) {
  std::string value("\2\0\0\0", 4);
  for (const AclEntry& entry : entries) {
    value.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  return value;
}

int set(const std::string& path, const char* name, const std::string& value) {
  return error_of(::lsetxattr(path.c_str(), name, value.data(), value.size(), 0));
}

std::string get(const std::string& path, const char* name) {
  std::string value(65536, '\0');
  const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
  return size < 0 ? "none" : value.substr(0, static_cast<std::size_t>(size));
}

TEST_F(Xattrs, SetReplaceAndRemoveAreRecorded) {
  make_file("file");
  (void)take();
  ASSERT_EQ(set(mount("file"), "user.colour", "blue"), 0);
  const auto value = take_one<SetXattr>();
  EXPECT_EQ(value.name, "user.colour");
  EXPECT_EQ(text(value.value), "blue");
  EXPECT_EQ(value.where, at_root("file"));
  EXPECT_EQ(get(source("file"), "user.colour"), "blue");
  EXPECT_EQ(error_of(::setxattr(mount("file").c_str(), "user.colour", "x", 1, XATTR_CREATE)),
            EEXIST);
  EXPECT_TRUE(take().empty());
  ASSERT_EQ(::removexattr(mount("file").c_str(), "user.colour"), 0);
  EXPECT_EQ(take_one<RemoveXattr>().name, "user.colour");
  EXPECT_EQ(error_of(::removexattr(mount("file").c_str(), "user.colour")), ENODATA);
  EXPECT_TRUE(take().empty());
}

TEST_F(Xattrs, LargeAndEmptyValuesPass) {
  make_file("file");
  const std::string large(60'000, 'v');
  ASSERT_EQ(set(mount("file"), "trusted.large", large), 0);
  ASSERT_EQ(set(mount("file"), "trusted.empty", ""), 0);
  EXPECT_EQ(get(mount("file"), "trusted.large"), large);
  EXPECT_EQ(get(mount("file"), "trusted.empty"), "");
  char little[8];
  EXPECT_EQ(error_of(::getxattr(mount("file").c_str(), "trusted.large", little, 8)), ERANGE);
}

TEST_F(Xattrs, SymlinksAndFifosHaveThemToo) {
  ASSERT_EQ(::symlink("nowhere", mount("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(mount("fifo").c_str(), 0600), 0);
  for (const char* const name : {"link", "fifo"}) {
    EXPECT_EQ(set(mount(name), "trusted.mark", "m"), 0) << name;
    EXPECT_EQ(get(source(name), "trusted.mark"), "m") << name;
  }
}

TEST_F(Xattrs, TrustedNamesAreListedForRootOnly) {
  make_file("file");
  ASSERT_EQ(set(mount("file"), "trusted.secret", "1"), 0);
  ASSERT_EQ(set(mount("file"), "user.open", "1"), 0);
  const auto list = [this] {
    std::string names(4096, '\0');
    const ssize_t size = ::listxattr(mount("file").c_str(), names.data(), names.size());
    names.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return (names.find("trusted.secret") != std::string::npos ? 1 : 0) +
           (names.find("user.open") != std::string::npos ? 2 : 0);
  };
  EXPECT_EQ(list(), 3);
  EXPECT_EQ(as_user({}, list), 2);
}

TEST_F(Acls, AccessAclChangesTheModeAndIsEnforced) {
  make_file("file", "secret");
  ASSERT_EQ(::chmod(mount("file").c_str(), 0600), 0);
  (void)take();
  const auto read = [this] { return error_of(::open(mount("file").c_str(), O_RDONLY)); };
  EXPECT_EQ(as_user({.uid = 1234, .gid = 1234, .groups = {}}, read), EACCES);
  const std::string value = acl({{kUserObject, 6, kNobody},
                                 {kUser, 4, 1234},
                                 {kGroupObject, 0, kNobody},
                                 {kMask, 4, kNobody},
                                 {kOther, 0, kNobody}});
  ASSERT_EQ(set(mount("file"), "system.posix_acl_access", value), 0);
  auto operations = take();
  const auto recorded = only<SetXattr>(operations);
  ASSERT_EQ(recorded.size(), 1U);
  EXPECT_EQ(text(recorded[0].value), value);
  EXPECT_EQ(recorded[0].after.permissions(), 0640U);
  EXPECT_EQ(look("file").permissions(), 0640U);
  EXPECT_EQ(as_user({.uid = 1234, .gid = 1234, .groups = {}}, read), 0);
  EXPECT_EQ(as_user({.uid = 1235, .gid = 1234, .groups = {}}, read), EACCES);
}

TEST_F(Acls, DefaultAclOverridesTheUmaskAndIsRecordedForTheChild) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0777), 0);
  const std::string value = acl({{kUserObject, 7, kNobody},
                                 {kUser, 7, 1234},
                                 {kGroupObject, 5, kNobody},
                                 {kMask, 7, kNobody},
                                 {kOther, 0, kNobody}});
  ASSERT_EQ(set(mount("folder"), "system.posix_acl_default", value), 0);
  (void)take();
  const mode_t before = ::umask(077);
  const UniqueFd fd = open("folder/file", O_CREAT | O_WRONLY, 0666);
  ASSERT_EQ(::mkdir(mount("folder/below").c_str(), 0777), 0);
  ::umask(before);
  EXPECT_EQ(look("folder/file").permissions(), 0660U);
  EXPECT_EQ(look("folder/below").permissions(), 0770U);
  std::vector<std::string> names;
  for (const auto& recorded : take_only<SetXattr>()) names.push_back(recorded.name);
  EXPECT_EQ(names, (std::vector<std::string>{"system.posix_acl_access", "system.posix_acl_access",
                                             "system.posix_acl_default"}));
}

}  // namespace
}  // namespace mirrorfs::testing
