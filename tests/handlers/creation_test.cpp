// What is made through the mount is what would have been made in the source: every combination of
// directory, default ACL, umask, caller, kind and mode, made in both places and compared.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <string>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

constexpr const char* kDefaultAcl = "system.posix_acl_default";

/// u::rwx, u:999:rw-, g::r-x, m::rwx, o::r-- (acl(5)), as the kernel reads it.
constexpr std::array<unsigned char, 44> kAcl = {
    2, 0,    0,    0,    0x01, 0,    7,    0, 0xff, 0xff, 0xff, 0xff, 0x02, 0,    6,
    0, 0xe7, 0x03, 0,    0,    4,    0,    5, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
    7, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 4,    0,    0xff, 0xff, 0xff, 0xff};

struct Kind {
  const char* name;
  int (*make)(const char* path, mode_t mode);  ///< 0 or -1
};

int make_file_exclusively(const char* path, mode_t mode) {
  const UniqueFd fd(::open(path, O_CREAT | O_EXCL | O_WRONLY, mode));
  return fd ? 0 : -1;
}

int link_a_nameless_file(const char* path, mode_t mode) {
  const std::string directory(path, std::string_view(path).rfind('/'));
  const UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR, mode));
  if (!fd || ::write(fd.get(), "x", 1) != 1) return -1;
  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

constexpr Kind kKinds[] = {
    {"file", make_file_exclusively},
    {"nameless", link_a_nameless_file},
    {"directory", [](const char* path, mode_t mode) { return ::mkdir(path, mode); }},
    {"fifo", [](const char* path, mode_t mode) { return ::mkfifo(path, mode); }},
    {"node",
     [](const char* path, mode_t mode) { return ::mknod(path, S_IFREG | (mode & 07777), 0); }},
    {"symlink", [](const char* path, mode_t) { return ::symlink("target", path); }},
};

constexpr mode_t kModes[] = {0666, 0700, 01777, 02777, 02767, 04755, 07777, 0};

/// Owner, mode and ACLs, for people to read.
std::string facts(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return "missing";
  char text[64];
  std::snprintf(text, sizeof text, "%o %u:%u", found.st_mode, found.st_uid, found.st_gid);
  std::string all = text;
  for (const char* const name : {"system.posix_acl_access", kDefaultAcl}) {
    unsigned char value[256];
    const ssize_t size = ::lgetxattr(path.c_str(), name, value, sizeof value);
    for (ssize_t at = 0; at < size; ++at) {
      std::snprintf(text, sizeof text, "%s%02x", at == 0 ? " " : "", value[at]);
      all += text;
    }
  }
  return all;
}

class Creation : public Mounted {
 protected:
  /// A directory made in the source itself.
  void prepare(const std::string& directory, mode_t mode, bool with_default_acl) const {
    const std::string path = source(directory);
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
    ASSERT_EQ(::chown(path.c_str(), 0, 777), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    if (!with_default_acl) return;
    ASSERT_EQ(::setxattr(path.c_str(), kDefaultAcl, kAcl.data(), kAcl.size(), 0), 0);
  }

  /// Makes everything below `directory`; the number of the first object that could not be made.
  static int make_all(const std::string& directory, mode_t umask) {
    ::umask(umask);
    int count = 0;
    for (const Kind& kind : kKinds) {
      for (const mode_t mode : kModes) {
        ++count;
        const std::string path = directory + "/" + kind.name + std::to_string(mode);
        if (kind.make(path.c_str(), mode) != 0) return count;
      }
    }
    return 0;
  }

  void expect_the_same(const std::string& below, const std::string& through,
                       const std::string& told) const {
    for (const Kind& kind : kKinds) {
      for (const mode_t mode : kModes) {
        const std::string name = std::string("/") + kind.name + std::to_string(mode);
        const std::string expected = facts(source(below + name));
        EXPECT_EQ(facts(mount(through + name)), expected) << told << name;
        EXPECT_EQ(facts(source(through + name)), expected) << told << name;
      }
    }
  }

  void compare(mode_t mode, bool with_default_acl, mode_t umask, const User& user) {
    const std::string number = std::to_string(next_++);
    const std::string below = "below" + number, through = "through" + number;
    prepare(below, mode, with_default_acl);
    prepare(through, mode, with_default_acl);
    ASSERT_EQ(as_user(user, [&] { return make_all(source(below), umask); }), 0);
    ASSERT_EQ(as_user(user, [&] { return make_all(mount(through), umask); }), 0);
    char told[96];
    std::snprintf(told, sizeof told,
                  "directory %o, default ACL %d, umask %o, user %u, groups %zu: ", mode,
                  with_default_acl, umask, user.uid, user.groups.size());
    expect_the_same(below, through, told);
  }

 private:
  int next_ = 0;
};

TEST_F(Creation, GivesWhatTheSourceWouldGive) {
  const User root{.uid = 0, .gid = 0, .groups = {}};
  const User member{.uid = 1234, .gid = 2345, .groups = {777}};
  const User stranger{.uid = 1234, .gid = 2345, .groups = {}};
  for (const mode_t mode : {0777, 02777, 01777, 03777}) {
    for (const bool with_default_acl : {false, true}) {
      for (const mode_t umask : {0, 022, 077}) {
        for (const User& user : {root, member, stranger}) {
          compare(mode, with_default_acl, umask, user);
        }
      }
    }
  }
}

}  // namespace
}  // namespace mirrorfs::testing
