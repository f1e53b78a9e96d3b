#include "fs/control/socket_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "fs/control/mount_table.h"
#include "temporary_directory.h"

namespace mirrorfs::control {
namespace {

TEST(SocketName, IsReadable) {
  EXPECT_EQ(socket_name("/srv/data"), "srv-data.sock");
  EXPECT_EQ(socket_name("/"), "-.sock");
  EXPECT_EQ(socket_name("/srv/my-data"), "srv-my%2ddata.sock");
}

TEST(SocketName, DiffersForPathsThatLookAlike) {
  const std::string long_path = "/" + std::string(200, 'a');
  std::set<std::string> names;
  const std::vector<std::string> paths = {
      "/a/b",          "/a-b",          "/a%2fb", "/a%2db", "/a b", "/a\nb", "/A/b",  "/a/b/c",
      "/a/b-c",        "/a-b/c",        "/",      "/-",     "/%",   "/ä",    "/\xff", long_path,
      long_path + "a", "/b" + long_path};
  for (const std::string& path : paths) names.insert(socket_name(path));
  EXPECT_EQ(names.size(), paths.size());
}

TEST(SocketName, OfALongPathKeepsItsTailAndFits) {
  const std::string name = socket_name("/" + std::string(4000, 'x') + "/the-end");
  EXPECT_LE(name.size(), 80U);
  EXPECT_TRUE(name.ends_with("-the%2dend.sock")) << name;
  EXPECT_LE(socket_address(1'000'000, name).size(), 107U);
}

TEST(SocketDirectory, IsMadeForItsOwnerAlone) {
  const testing::TemporaryDirectory home;
  const auto directory = home.path() / "mirrorfs";
  const auto fd = make_socket_directory(directory);
  ASSERT_TRUE(fd) << fd.error().message();
  struct stat status{};
  ASSERT_EQ(fstat(fd->get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
  EXPECT_TRUE(make_socket_directory(directory)) << "an existing one serves as well";
}

TEST(SocketDirectory, ThatOthersMayWriteToIsRefused) {
  const testing::TemporaryDirectory home;
  const auto directory = home.path() / "mirrorfs";
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  ASSERT_EQ(chmod(directory.c_str(), 0777), 0);
  const auto fd = make_socket_directory(directory);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code, EPERM);
}

TEST(SocketDirectory, ThatIsALinkIsRefused) {
  const testing::TemporaryDirectory home;
  const auto link = home.path() / "mirrorfs";
  ASSERT_EQ(symlink("/tmp", link.c_str()), 0);
  EXPECT_FALSE(make_socket_directory(link));
}

constexpr const char* kMountInfo =
    "22 27 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n"
    "90 27 0:50 / /srv/my\\040data rw,relatime shared:50 - fuse.mirrorfs /srv/my\\040data "
    "rw,user_id=1000,group_id=1000,allow_other\n"
    "91 27 8:1 / /mnt rw - ext4 /dev/sda1 rw\n"
    "92 91 0:51 / /mnt rw - fuse.mirrorfs /src rw,user_id=0\n";

TEST(MountTable, FindsTheTopmostMountOfAPath) {
  const auto spaces = find_mount_in(kMountInfo, "/srv/my data");
  ASSERT_TRUE(spaces);
  EXPECT_TRUE(spaces->is_mirrorfs());
  EXPECT_EQ(spaces->source, "/srv/my data");
  EXPECT_EQ(spaces->owner, 1000U);
  EXPECT_EQ(find_mount_in(kMountInfo, "/mnt")->source, "/src");
  EXPECT_FALSE(find_mount_in(kMountInfo, "/proc")->is_mirrorfs());
  EXPECT_FALSE(find_mount_in(kMountInfo, "/srv"));
  EXPECT_FALSE(find_mount_in("", "/srv"));
}

TEST(MountTable, HoldsWhatIsBelowAMountPoint) {
  EXPECT_EQ(mount_holding(kMountInfo, "/srv/my data/a/b")->mount_point, "/srv/my data");
  EXPECT_EQ(mount_holding(kMountInfo, "/srv/my data")->mount_point, "/srv/my data");
  EXPECT_EQ(mount_holding(kMountInfo, "/mnt/x")->source, "/src");
  EXPECT_FALSE(mount_holding(kMountInfo, "/mnts/x"));
  EXPECT_FALSE(mount_holding("", "/mnt/x"));
}

}  // namespace
}  // namespace mirrorfs::control
