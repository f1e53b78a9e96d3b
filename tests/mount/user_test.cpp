// An ordinary user mounts and mirrors trees of their own, through fusermount3.
#include <grp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "device_for_users.h"
#include "mirror_mount.h"
#include "object_kinds.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

constexpr uid_t kUser = 65534;

class OrdinaryUser : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    device_.emplace();
  }

  std::optional<DeviceForUsers> device_;

  /// Runs the body as the user, in another process.
  static void as_user(const std::function<void()>& body) {
    ChildProcess child = ChildProcess::fork_off([&] {
      check(::setgroups(0, nullptr), "setgroups", {});
      check(::setgid(kUser), "setgid", {});
      check(::setuid(kUser), "setuid", {});
      body();
    });
    if (child.wait(milliseconds(30'000)) != 0) throw std::runtime_error("the user's work failed");
  }
};

TEST_F(OrdinaryUser, MountsMirrorsAndUnmounts) {
  MirrorMount mirror({.user = kUser});
  as_user([&] { make_many_files(mirror.source("old"), 100); });
  mirror.start();
  as_user([&] {
    make_many_files(mirror.mount("new"), 100);
    for (const Kind kind : kAllKinds) {
      if (kind == Kind::kCharacterDevice || kind == Kind::kBlockDevice) continue;
      make_object(kind, mirror.mount(to_string(kind)));
    }
    change_mode(mirror.mount("SmallFile"), 0600);
    set_xattr(mirror.mount("SmallFile"), "user.some", "value");
    append_to(mirror.mount("old/group0/set0/file1"), "more");
    rename_to(mirror.mount("old/group0"), mirror.mount("moved"));
    std::filesystem::remove_all(mirror.mount("FullDirectory"));
  });
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.rsync_finds_nothing());
  mirror.stop(StopBy::kFusermount);
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_F(OrdinaryUser, TheDaemonisedFormToo) {
  MirrorMount mirror({.daemonised = true, .user = kUser});
  mirror.start();
  as_user([&] { write_file(mirror.mount("file"), pattern(1'000'000, 1)); });
  EXPECT_TRUE(mirror.identical());
  mirror.stop(StopBy::kFusermount);
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_F(OrdinaryUser, StopsBySignal) {
  MirrorMount mirror({.user = kUser});
  mirror.start();
  as_user([&] { make_many_files(mirror.mount("many"), 100); });
  mirror.stop(StopBy::kSigterm);
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_F(OrdinaryUser, RandomWorkArrives) {
  MirrorMount mirror({.user = kUser});
  mirror.start();
  as_user([&] {
    make_directory(mirror.mount("work"));
    RandomWriter writer(mirror.mount("work"), 3);
    const auto end = std::chrono::steady_clock::now() + milliseconds(1'500);
    while (std::chrono::steady_clock::now() < end) {
      try {
        writer.step();
      } catch (const std::system_error& problem) {
        if (problem.code().value() != EPERM && problem.code().value() != EACCES) throw;
      }
    }
  });
  EXPECT_TRUE(mirror.identical());
  mirror.stop(StopBy::kFusermount);
}

TEST_F(OrdinaryUser, FilesOthersOwnAreNamedAndEverythingElseGoesOn) {
  MirrorMount mirror({.user = kUser});
  write_file(mirror.source("secret"), "of root", 0600);
  write_file(mirror.source("open to all"), "of root");
  mirror.start();
  as_user([&] { write_file(mirror.mount("mine"), "content"); });
  EXPECT_TRUE(eventually([&] { return is_there(mirror.replica("mine")); }));
  EXPECT_TRUE(eventually([&] { return mirror.status().json.find("secret") != std::string::npos; }))
      << mirror.status().json;
  unlink_file(mirror.source("secret"));
  unlink_file(mirror.source("open to all"));
  mirror.stop(StopBy::kFusermount);
}

}  // namespace
}  // namespace mirrorfs::test
