#include "tests/handlers/mounted.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

// libfuse keeps a pipe per thread for splicing and does not free all of them with the session.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:fuse_ll_get_pipe\n"; }

namespace mirrorfs::testing {

void Mounted::SetUp() {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse to be opened";
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: mounts with allow_other";
  std::string pattern = "/dev/shm/mirrorfs-handlers-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  mount_ = folder_ + "/mount";
  source_ = folder_ + "/source";
  std::filesystem::create_directory(mount_);
  std::filesystem::create_directory(source_);
  ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(source_.c_str(), 0777), 0);
  root_ = UniqueFd(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::promise<void> up;
  SessionOptions options{.mount_point = mount_,
                         .fuse_options = {"allow_other", "default_permissions", "suid", "dev",
                                          "fsname=handlers", "subtype=mirrorfs"},
                         .threads = 4,
                         .attr_timeout = attribute_timeout(),
                         .on_init = [&up] { up.set_value(); },
                         .transport = transport(),
                         .passthrough = passthrough()};
  auto session = Session::mount(options, root_.get(), replicator_);
  ASSERT_TRUE(session) << session.error().message();
  session_ = std::move(*session);
  loop_ = std::thread([this] { session_->run(); });
  up.get_future().wait();
}

void Mounted::TearDown() {
  if (!loop_.joinable()) return;
  EXPECT_EQ(::umount2(mount_.c_str(), MNT_DETACH), 0);
  loop_.join();
  session_->unmount();
  EXPECT_EQ(replicator_.admitted(), 0U) << "an admission was lost";
  session_.reset();
  std::filesystem::remove_all(folder_);
}

Metadata Mounted::look(const std::string& name) const {
  struct statx raw{};
  EXPECT_EQ(
      ::statx(AT_FDCWD, source(name).c_str(), AT_SYMLINK_NOFOLLOW, Metadata::kStatxMask, &raw), 0)
      << name;
  return Metadata::from(raw);
}

Location Mounted::at_root(const std::string& name) const {
  return {.parent = root_id(), .name = name};
}

void Mounted::make_file(const std::string& name, std::string_view content) const {
  const UniqueFd fd = open(name, O_WRONLY | O_CREAT | O_EXCL);
  ASSERT_EQ(::write(fd.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
}

UniqueFd Mounted::open(const std::string& name, int flags, mode_t mode) const {
  UniqueFd fd(::open(mount(name).c_str(), flags | O_CLOEXEC, mode));
  EXPECT_TRUE(fd.valid()) << name << ": errno " << errno;
  return fd;
}

int as_user(const User& user, const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(user.groups.size(), user.groups.data()) != 0 || ::setgid(user.gid) != 0 ||
        ::setuid(user.uid) != 0) {
      ::_exit(200);
    }
    ::_exit(work());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

std::string read_file(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string text(const Payload& payload) {
  return {reinterpret_cast<const char*>(payload.view().data()), payload.size()};
}

int error_of(long result) { return result < 0 ? errno : 0; }

}  // namespace mirrorfs::testing
