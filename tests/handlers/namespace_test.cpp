// Names made and removed on the mount: the source has them, the engine hears them exactly.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using Namespace = Mounted;

TEST_F(Namespace, CreatedFileIsRecordedWithItsPlaceAndMetadata) {
  (void)open("file", O_WRONLY | O_CREAT | O_EXCL, 0640);
  const auto made = take_one<CreateNode>();
  EXPECT_EQ(made.object, id("file"));
  EXPECT_EQ(made.where, at_root("file"));
  EXPECT_EQ(made.after.mode, look("file").mode);
  EXPECT_FALSE(made.parent_after.times_known) << "the engine looks at the directory";
}

TEST_F(Namespace, FailedCreationIsNotRecorded) {
  make_file("file");
  (void)take();
  EXPECT_EQ(error_of(::open(mount("file").c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600)), EEXIST);
  EXPECT_EQ(error_of(::mkdir(mount("file").c_str(), 0700)), EEXIST);
  EXPECT_EQ(error_of(::mkdir(mount("absent/folder").c_str(), 0700)), ENOENT);
  EXPECT_TRUE(take().empty());
}

TEST_F(Namespace, FileMadeBehindTheBackIsOpenedNotTruncatedOrRefused) {
  struct stat nothing{};
  EXPECT_EQ(error_of(::stat(mount("file").c_str(), &nothing)), ENOENT);
  const UniqueFd behind(::open(source("file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_EQ(::write(behind.get(), "kept", 4), 4);
  const UniqueFd fd = open("file", O_CREAT | O_RDWR);
  char content[4];
  EXPECT_EQ(::read(fd.get(), content, 4), 4);
  EXPECT_EQ(take_only<CreateNode>().size(), 0U);
}

TEST_F(Namespace, DirectoryIsRecordedAndThenNamedAsParent) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0750), 0);
  const auto made = take_one<MakeDirectory>();
  EXPECT_EQ(made.object, id("folder"));
  EXPECT_EQ(made.where, at_root("folder"));
  EXPECT_EQ(made.after.permissions(), 0750U);
  make_file("folder/file");
  const auto file = take_only<CreateNode>();
  ASSERT_EQ(file.size(), 1U);
  EXPECT_EQ(file[0].where, (Location{.parent = id("folder"), .name = "file"}));
}

TEST_F(Namespace, SymlinkIsRecordedWithItsTarget) {
  ASSERT_EQ(::symlink("../any where", mount("link").c_str()), 0);
  const auto made = take_one<MakeSymlink>();
  EXPECT_EQ(made.target, "../any where");
  EXPECT_EQ(made.where, at_root("link"));
  EXPECT_EQ(made.object, id("link"));
  char target[64];
  EXPECT_EQ(::readlink(mount("link").c_str(), target, sizeof target), 12);
}

TEST_F(Namespace, FifoIsRecordedAndNeverOpenedBelow) {
  ASSERT_EQ(::mkfifo(mount("fifo").c_str(), 0600), 0);
  const auto made = take_one<CreateNode>();
  EXPECT_EQ(made.after.type(), static_cast<mode_t>(S_IFIFO));
  const UniqueFd fd = open("fifo", O_RDWR | O_NONBLOCK);
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  EXPECT_TRUE(take().empty());
}

TEST_F(Namespace, DeviceIsRecordedWithItsNumber) {
  const int error = as_user({.uid = 0, .gid = 0, .groups = {}}, [this] {
    ::umask(022);
    return error_of(::mknod(mount("null").c_str(), S_IFCHR | 0666, makedev(1, 3)));
  });
  ASSERT_EQ(error, 0);
  const auto made = take_one<CreateNode>();
  EXPECT_EQ(made.after.rdev, makedev(1, 3));
  EXPECT_EQ(made.after.permissions(), 0644U) << "the umask of the request";
}

TEST_F(Namespace, LinkNamesTheKnownAndTheNewPlace) {
  make_file("first");
  (void)take();
  ASSERT_EQ(::link(mount("first").c_str(), mount("second").c_str()), 0);
  const auto link = take_one<Link>();
  EXPECT_EQ(link.object, id("first"));
  EXPECT_EQ(link.existing, at_root("first"));
  EXPECT_EQ(link.where, at_root("second"));
  EXPECT_EQ(link.after.nlink, 2U);
}

TEST_F(Namespace, LinkOfASymlinkLinksTheSymlink) {
  ASSERT_EQ(::symlink("nowhere", mount("link").c_str()), 0);
  (void)take();
  ASSERT_EQ(::linkat(AT_FDCWD, mount("link").c_str(), AT_FDCWD, mount("again").c_str(), 0), 0);
  EXPECT_EQ(take_one<Link>().object, id("again"));
  EXPECT_TRUE(look("again").is_symlink());
}

TEST_F(Namespace, UnlinkOfTheLastNameSaysSo) {
  make_file("file");
  const ObjectId object = id("file");
  (void)take();
  ASSERT_EQ(::unlink(mount("file").c_str()), 0);
  const auto gone = take_one<Unlink>();
  EXPECT_EQ(gone.object, object);
  EXPECT_EQ(gone.where, at_root("file"));
  EXPECT_TRUE(gone.last_link);
  EXPECT_EQ(gone.other_name, std::nullopt);
}

TEST_F(Namespace, UnlinkOfOneOfTwoNamesTellsTheOther) {
  make_file("first");
  ASSERT_EQ(::link(mount("first").c_str(), mount("second").c_str()), 0);
  (void)take();
  ASSERT_EQ(::unlink(mount("first").c_str()), 0);
  const auto gone = take_one<Unlink>();
  EXPECT_FALSE(gone.last_link);
  EXPECT_EQ(gone.other_name, at_root("second"));
  const UniqueFd fd = open("second", O_WRONLY);
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  EXPECT_EQ(take_one<Write>().where, at_root("second"));
}

TEST_F(Namespace, UnlinkOfANameNextToOneMadeBehindTheBackIsNotTheLast) {
  make_file("file");
  ASSERT_EQ(::link(source("file").c_str(), source("hidden").c_str()), 0);
  (void)take();
  ASSERT_EQ(::unlink(mount("file").c_str()), 0);
  const auto gone = take_one<Unlink>();
  EXPECT_FALSE(gone.last_link);
  EXPECT_EQ(gone.other_name, std::nullopt);
}

TEST_F(Namespace, RmdirIsRecordedUnlessItFails) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0700), 0);
  make_file("folder/file");
  const ObjectId object = id("folder");
  (void)take();
  EXPECT_EQ(error_of(::rmdir(mount("folder").c_str())), ENOTEMPTY);
  EXPECT_TRUE(take().empty());
  ASSERT_EQ(::unlink(mount("folder/file").c_str()), 0);
  (void)take();
  ASSERT_EQ(::rmdir(mount("folder").c_str()), 0);
  const auto gone = take_one<RemoveDirectory>();
  EXPECT_EQ(gone.object, object);
  EXPECT_EQ(gone.where, at_root("folder"));
}

TEST_F(Namespace, DirectoryThatWasThereIsLearntOnceBeforeAnythingIsMadeInIt) {
  ASSERT_EQ(::mkdir(source("old").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(source("old/deep").c_str(), 0755), 0);
  make_file("old/deep/file");
  auto operations = take();
  ASSERT_GE(operations.size(), 3U);
  const auto* const first = std::get_if<LearnDirectory>(&operations[0]);
  const auto* const second = std::get_if<LearnDirectory>(&operations[1]);
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_EQ(first->object, id("old"));
  EXPECT_EQ(first->where, at_root("old"));
  EXPECT_EQ(second->object, id("old/deep"));
  EXPECT_EQ(second->where, (Location{.parent = id("old"), .name = "deep"}));
  EXPECT_EQ(only<LearnDirectory>(operations).size(), 2U);
  make_file("old/deep/another");
  EXPECT_TRUE(take_only<LearnDirectory>().empty());
}

TEST_F(Namespace, DirectoryIsLearntBeforeItIsMoved) {
  ASSERT_EQ(::mkdir(source("old").c_str(), 0755), 0);
  ASSERT_EQ(::rename(mount("old").c_str(), mount("new").c_str()), 0);
  const auto operations = take();
  ASSERT_EQ(operations.size(), 2U);
  const auto* const learn = std::get_if<LearnDirectory>(&operations[0]);
  ASSERT_NE(learn, nullptr);
  EXPECT_EQ(learn->where, at_root("old"));
  EXPECT_TRUE(std::holds_alternative<Rename>(operations[1]));
}

TEST_F(Namespace, ReservedNameIsNeitherSeenNorMadeInTheRootOnly) {
  ASSERT_EQ(::mkdir(source(".mirrorfs").c_str(), 0755), 0);
  struct stat nothing{};
  EXPECT_EQ(error_of(::stat(mount(".mirrorfs").c_str(), &nothing)), ENOENT);
  EXPECT_EQ(error_of(::mkdir(mount(".mirrorfs").c_str(), 0755)), EPERM);
  make_file("file");
  EXPECT_EQ(error_of(::rename(mount("file").c_str(), mount(".mirrorfs").c_str())), EPERM);
  EXPECT_EQ(error_of(::link(mount("file").c_str(), mount(".mirrorfs").c_str())), EPERM);
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0755), 0);
  EXPECT_EQ(::mkdir(mount("folder/.mirrorfs").c_str(), 0755), 0);
}

TEST_F(Namespace, NamesMayBeLongAndAnyBytes) {
  const std::string name(255, '\xff');
  make_file(name);
  EXPECT_EQ(take_only<CreateNode>().at(0).where.name, name);
  EXPECT_EQ(error_of(::mkdir(mount(std::string(256, 'x')).c_str(), 0755)), ENAMETOOLONG);
}

TEST_F(Namespace, SettlingThatFailsFailsTheRequest) {
  replicator_.fail_settling_with(EIO);
  EXPECT_EQ(error_of(::mkdir(mount("folder").c_str(), 0755)), EIO);
  replicator_.fail_settling_with(0);
  EXPECT_TRUE(look("folder").is_directory()) << "the source may hold the change";
  EXPECT_EQ(take_only<MakeDirectory>().size(), 1U);
}

}  // namespace
}  // namespace mirrorfs::testing
