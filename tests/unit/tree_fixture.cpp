#include "tree_fixture.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::testing {
namespace {

std::string xattrs_of(const fs::path& path) {
  char names[65536];
  const ssize_t size = ::llistxattr(path.c_str(), names, sizeof(names));
  std::set<std::string> found;
  for (ssize_t at = 0; at < size;) {
    const std::string name(names + at);
    at += static_cast<ssize_t>(name.size()) + 1;
    std::string value(65536, '\0');
    const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    value.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    found.insert(name + "=" + value);
  }
  std::string text;
  for (const std::string& one : found) text += " [" + one + "]";
  return text;
}

class Describer {
 public:
  explicit Describer(fs::path root) : root_(std::move(root)) {}

  std::string describe(const std::string& name) {
    const fs::path path = name.empty() ? root_ : root_ / name;
    const struct stat st = status_of(path);
    std::string text = fmt::format("{:o} {}:{} mtime {}.{:09}", st.st_mode, st.st_uid, st.st_gid,
                                   st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (S_ISREG(st.st_mode)) {
      text += fmt::format(" size {}", st.st_size);
      if (st.st_size <= 1 << 20) text += " content " + read_file(path);
    }
    if (S_ISLNK(st.st_mode)) text += " -> " + fs::read_symlink(path).native();
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) text += fmt::format(" dev {}", st.st_rdev);
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      text += " first name " + groups_.try_emplace(st.st_ino, name).first->second;
    }
    return text + xattrs_of(path);
  }

 private:
  fs::path root_;
  std::map<ino_t, std::string> groups_;
};

}  // namespace

Snapshot snapshot_of(const fs::path& root) {
  std::set<std::string> names{""};
  for (auto at = fs::recursive_directory_iterator(root); at != fs::end(at); ++at) {
    const std::string name = at->path().lexically_relative(root).native();
    if (name == kReservedName) {
      at.disable_recursion_pending();
    } else {
      names.insert(name);
    }
  }
  Snapshot snapshot;
  Describer describer(root);
  for (const std::string& name : names) snapshot[name] = describer.describe(name);
  return snapshot;
}

std::string differences(const Snapshot& ours, const Snapshot& theirs) {
  std::string text;
  std::set<std::string> names;
  for (const auto& [name, what] : ours) names.insert(name);
  for (const auto& [name, what] : theirs) names.insert(name);
  for (const std::string& name : names) {
    const auto a = ours.find(name);
    const auto b = theirs.find(name);
    const std::string left = a == ours.end() ? "(absent)" : a->second;
    const std::string right = b == theirs.end() ? "(absent)" : b->second;
    if (left != right) text += name + ": " + left + " | " + right + "\n";
  }
  return text;
}

TreeTest::TreeTest() {
  std::string name = (fs::temp_directory_path() / "mirrorfs-tree-XXXXXX").native();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  root_ = name;
  source_ = root_ / "source";
  replica_ = root_ / "replica";
  fs::create_directory(source_);
  fs::create_directory(replica_);
  ::setenv("MIRRORFS_STATE_DIR", (root_ / "state").c_str(), 1);
}

TreeTest::~TreeTest() {
  ::unsetenv("MIRRORFS_STATE_DIR");
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

SyncOptions checking(Check check) {
  SyncOptions options;
  options.check = check;
  return options;
}

SyncReport TreeTest::sync(SyncOptions options) {
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Result<SyncReport> report = sync_trees(source.get(), replica.get(), options);
  if (!report) throw std::runtime_error(report.error().message());
  return std::move(*report);
}

VerifyReport TreeTest::verify(VerifyOptions options) {
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Result<VerifyReport> report = verify_trees(source.get(), replica.get(), options);
  if (!report) throw std::runtime_error(report.error().message());
  return std::move(*report);
}

void TreeTest::sync_and_expect_equal(Check check) {
  const SyncReport first = sync(checking(check));
  for (const Failure& failure : first.failures) ADD_FAILURE() << failure.path << failure.cause;
  expect_equal();
  const SyncReport second = sync();
  EXPECT_EQ(second.files_copied + second.created + second.removed + second.metadata_changed, 0U)
      << "the second run changed something";
  const VerifyReport verified = verify({.full = true});
  EXPECT_TRUE(verified.identical());
  for (const Difference& one : verified.differences) ADD_FAILURE() << one.path << ": " << one.what;
  EXPECT_FALSE(fs::exists(replica_ / kReservedName)) << "staging was left behind";
}

void TreeTest::expect_equal() {
  EXPECT_EQ(differences(snapshot_of(source_), snapshot_of(replica_)), "");
}

void TreeTest::as_ordinary_user(const std::function<std::string()>& body) {
  constexpr uid_t kNobody = 65534;
  if (is_root()) {
    ASSERT_EQ(::chown(root_.c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(::chown(source_.c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(::chown(replica_.c_str(), kNobody, kNobody), 0);
  }
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string wrong = "cannot become an ordinary user";
    if (!is_root() || (::setgid(kNobody) == 0 && ::setuid(kNobody) == 0)) {
      try {
        wrong = body();
      } catch (const std::exception& error) {
        wrong = error.what();
      }
    }
    std::cerr << wrong << std::flush;
    ::_exit(wrong.empty() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see above";
}

void write_file(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::string read_file(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void set_mtime(const fs::path& path, time_t seconds, long nanoseconds) {
  const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

void copy_mtime(const fs::path& from, const fs::path& to) {
  const struct stat st = status_of(from);
  set_mtime(to, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

struct stat status_of(const fs::path& path) {
  struct stat st{};
  EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
  return st;
}

bool is_root() { return ::geteuid() == 0; }

}  // namespace mirrorfs::testing
