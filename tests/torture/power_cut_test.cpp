// G1, G2, G6: the power goes while applications write. What was never synced is lost, in part or
// wholly, of the replica and the state directory, or of the source as well; then the machine boots.
//
// Cut are disks of the tests' own, which keep a random part of what was not synced, sector by
// sector, and real filesystems by their shutdown ioctl, which keep nothing of their log.
// MIRRORFS_CUTS=N: so many cuts each; MIRRORFS_SEED=N draws them (not when they come in the work of
// the machine, so a seed alone does not replay a failure).
//
// The mutants: a durable journal that is not synced, an fsync that does not wait for the replica's
// disk.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "mirror_mount.h"
#include "pretended_boot.h"
#include "storage_without_power.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const given = std::getenv(name);
  return given != nullptr ? std::stoull(given) : otherwise;
}

struct Case {
  const char* name;
  bool shutdown;  ///< by ioctl; else by the disk
  Filesystem kind;
  bool source_too;  ///< loses power as well
  std::vector<std::string> options;
};

void PrintTo(const Case& cut, std::ostream* stream) { *stream << cut.name; }

class PowerCut : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    const unsigned count = GetParam().source_too ? 3 : 2;
    storage_ = GetParam().shutdown ? filesystems_that_shut_down(GetParam().kind, count)
                                   : disks_without_power(GetParam().kind, count);
    mirror_ = std::make_unique<MirrorMount>(
        MirrorSetup{.source = GetParam().source_too ? Filesystem::kFolder : GetParam().kind,
                    .replica = Filesystem::kFolder,
                    .options = GetParam().options});
    directories_ = {mirror_->base() / "replica-fs", mirror_->state_directory()};
    if (GetParam().source_too) directories_.push_back(mirror_->base() / "source-fs");
    mount_storage();
    make_directory(mirror_->replica());
    if (GetParam().source_too) make_directory(mirror_->source());
    make_many_files(mirror_->source("shared"), 150);
    make_directory(mirror_->source("synced"));
    make_directory(mirror_->source("turn"));
    for (unsigned number = 0; number < 1'000; ++number) {
      const Path file = mirror_->source(turn_file(number));
      if (!is_there(file.parent_path())) make_directory(file.parent_path());
      write_file(file, std::string(40, 'a'));
    }
    // Both trees were there before: it is the mirror's work that is cut short.
    for (const Path& directory : directories_) sync_filesystem(directory);
  }

  static void sync_filesystem(const Path& directory) {
    check(::syncfs(open_file(directory, O_RDONLY | O_DIRECTORY).get()), "syncfs", directory);
  }

  void mount_storage() {
    for (unsigned number = 0; number < directories_.size(); ++number) {
      storage_->mount(number, directories_[number]);
    }
  }
  /// What a killed process had open may take a moment to be closed.
  void unmount_storage() {
    for (const Path& directory : directories_) {
      ASSERT_TRUE(eventually([&] { return ::umount2(directory.c_str(), 0) == 0; })) << directory;
    }
  }

  [[nodiscard]] bool promises() const {
    for (const std::string& option : GetParam().options) {
      if (option == "--mode=fsync") return true;
    }
    return false;
  }

  [[nodiscard]] static std::string text_of(std::uint64_t number) {
    return fmt::format("{}:", number) +
           pattern(static_cast<std::size_t>(number * 997 % 40'000), static_cast<unsigned>(number));
  }
  [[nodiscard]] static Path file_of(std::uint64_t number) {
    return fmt::format("synced/{}", number % 50);
  }

  /// Files that are replaced as careful programs do it, one written in place, and the number of the
  /// last that was synced, where no cut reaches.
  void write_synced() const {
    const UniqueFd directory = open_file(mirror_->mount("synced"), O_RDONLY | O_DIRECTORY);
    const UniqueFd counter = open_file(mirror_->mount("synced/counter"), O_RDWR | O_CREAT);
    const UniqueFd note = open_file(note_file(), O_WRONLY | O_CREAT);
    for (std::uint64_t number = acknowledged() + 1;; ++number) {
      const Path fresh = mirror_->mount("synced/new");
      write_file(fresh, text_of(number));
      sync_file(fresh);
      rename_to(fresh, mirror_->mount(file_of(number)));
      check(::fsync(directory.get()), "fsync", "synced");
      check(::pwrite(counter.get(), &number, sizeof number, 0), "pwrite", "counter");
      check(::fdatasync(counter.get()), "fdatasync", "counter");
      check(::pwrite(note.get(), &number, sizeof number, 0), "pwrite", "note");
    }
  }

  /// One file after the other, each once: whatever is remembered of the first says nothing of the
  /// last.
  void write_in_turn(std::uint64_t seed) const {
    for (std::uint64_t number = 0;; ++number) {
      write_at(mirror_->mount(turn_file(number)), 0, std::to_string(seed + number));
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  [[nodiscard]] static Path turn_file(std::uint64_t number) {
    constexpr std::uint64_t kDirectories = 20;
    return fmt::format("turn/{}/{}", number % kDirectories, number / kDirectories % 50);
  }

  [[nodiscard]] Path note_file() const { return mirror_->base() / "acknowledged"; }
  [[nodiscard]] static std::uint64_t number_in(const Path& path) {
    std::uint64_t number = 0;
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(&number), sizeof number);
    return file ? number : 0;
  }
  [[nodiscard]] std::uint64_t acknowledged() const { return number_in(note_file()); }

  [[nodiscard]] Workers start_writers(std::uint64_t seed) const {
    return {4, [this, seed](unsigned number) {
              try {
                if (number == 0) write_synced();
                if (number == 1) write_in_turn(seed);
                RandomWriter writer(mirror_->mount("shared"), seed * 10 + number);
                for (;;) writer.step();
              } catch (const std::system_error&) {
                // The power has gone.
              }
            }};
  }

  /// In one tree, as it is after the cut: nothing that was acknowledged, or something later.
  static void expect_acknowledged(const Path& tree, std::uint64_t acknowledged) {
    if (acknowledged == 0) return;
    EXPECT_GE(number_in(tree / "synced/counter"), acknowledged) << tree;
    constexpr std::uint64_t kFiles = 50;
    const std::uint64_t first = acknowledged >= kFiles ? acknowledged - kFiles + 1 : 1;
    for (std::uint64_t number = first; number <= acknowledged; ++number) {
      const Path file = tree / file_of(number);
      ASSERT_TRUE(is_there(file)) << file << " of " << acknowledged;
      const std::string text = read_file(file);
      const std::uint64_t shown = std::strtoull(text.c_str(), nullptr, 10);
      EXPECT_GE(shown, number) << file;
      EXPECT_EQ(text, text_of(shown)) << file << " is not whole";
    }
  }

  /// All is durable, and nothing is marked: what follows is in the journal object by object.
  void settle() const {
    mirror_->wait();
    ASSERT_TRUE(eventually([this] {
      return nlohmann::json::parse(mirror_->status().json).at("journal_marks") == 0;
    })) << mirror_->status().json;
  }

  /// Applications at work, then darkness; mounted again.
  void lose_power(std::uint64_t seed) {
    constexpr unsigned kLongest = 600;  // ms
    std::mt19937_64 random(seed);
    mirror_->start();
    const bool in_baseline = random() % 3 == 0;
    if (!in_baseline) {
      ASSERT_NO_FATAL_FAILURE(settle());
    }
    Workers writers = start_writers(random());
    std::this_thread::sleep_for(milliseconds(random() % kLongest));
    // As the kernel does from time to time: what the state directory holds is of that moment then.
    if (random() % 2 == 0) sync_filesystem(mirror_->state_directory());
    std::this_thread::sleep_for(milliseconds(random() % kLongest));
    const std::uint64_t promised = acknowledged();
    // What goes on with power is the source alone: nothing may be done to it after the cut.
    mirror_->freeze();
    storage_->cut(random(), directories_);
    mirror_->crash();
    writers.kill();
    ASSERT_NO_FATAL_FAILURE(unmount_storage());
    boot_ = nullptr;
    boot_ = std::make_unique<PretendedBoot>();
    mount_storage();
    if (GetParam().source_too) expect_acknowledged(mirror_->source(), promised);
    if (promises()) expect_acknowledged(mirror_->replica(), promised);
    promised_ += promised;
  }

  [[nodiscard]] bool recovered_by_marks() const {
    return nlohmann::json::parse(mirror_->status().json).at("recovery").at("marks") > 0;
  }

  /// Nobody but the mirror has changed the replica: each was kept in vain.
  [[nodiscard]] std::size_t kept() const {
    std::error_code none;
    const std::filesystem::recursive_directory_iterator all(mirror_->replica(".mirrorfs/kept"),
                                                            none);
    return static_cast<std::size_t>(std::ranges::count_if(all, [](const auto& found) {
      return found.symlink_status().type() != std::filesystem::file_type::directory;
    }));
  }

  std::unique_ptr<StorageWithoutPower> storage_;  // there until the last page is written back
  std::unique_ptr<PretendedBoot> boot_;
  std::unique_ptr<MirrorMount> mirror_;
  std::vector<Path> directories_;
  std::uint64_t promised_ = 0;
  unsigned by_marks_ = 0;
};

TEST_P(PowerCut, G1_G2_G6_NothingDiffersAfterTheNextStart) {
  const std::uint64_t seed = number_from_environment("MIRRORFS_SEED", std::random_device{}());
  const std::uint64_t cuts = number_from_environment("MIRRORFS_CUTS", 1);
  for (std::uint64_t number = 0; number < cuts; ++number) {
    SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}, cut {}", seed, number));
    ASSERT_NO_FATAL_FAILURE(lose_power(seed + number * 7919));
    const bool last = number + 1 == cuts;
    if (!last && (seed + number) % 3 == 0) continue;  // the next session is cut short as well
    mirror_->start();
    by_marks_ += recovered_by_marks() ? 1 : 0;
    ASSERT_TRUE(mirror_->identical());
    ASSERT_TRUE(mirror_->mount_shows_source());
    mirror_->stop();
    ASSERT_TRUE(mirror_->trees_equal());
    ASSERT_FALSE(HasFailure());
  }
  fmt::print("{} cuts, {} recovered by marks, seed {}, {} files acknowledged, {} kept\n", cuts,
             by_marks_, seed, promised_, kept());
}

/// Of a file with two names one goes, or has just come, and the power cut takes from the source
/// what was written under it. Size and times tell nothing: they are those of before.
class LostUnderAName : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    mirror_ = std::make_unique<MirrorMount>(
        MirrorSetup{.source = Filesystem::kTmpfs, .options = {"--journal=durable"}});
    write_file(mirror_->source("a"), kBefore);
    make_link(mirror_->source("a"), mirror_->source("b"));
    write_file(mirror_->source("other"), "");
    old_ = stat_of(mirror_->source("b")).st_mtim;
    mirror_->start();
    mirror_->wait();
    ASSERT_TRUE(eventually(
        [this] { return nlohmann::json::parse(mirror_->status().json).at("journal_marks") == 0; }));
  }
  void write_under(const char* name) const {
    write_at(mirror_->mount(name), 0, kAfter);
    ASSERT_TRUE(eventually([&] { return read_file(mirror_->replica("b")) == kAfter; }));
  }
  void expect_recovery() {
    mirror_->crash();
    const PretendedBoot boot;
    write_at(mirror_->source("b"), 0, kBefore);
    for (const Path& file : {mirror_->source("b"), mirror_->replica("b")})
      set_times(file, old_, old_);
    mirror_->start();
    EXPECT_TRUE(mirror_->identical());
    EXPECT_EQ(read_file(mirror_->replica("b")), kBefore);
    mirror_->stop();
  }
  static constexpr const char* kBefore = "before the cut";
  static constexpr const char* kAfter = "after the cut.";
  std::unique_ptr<MirrorMount> mirror_;
  timespec old_{};
};

TEST_F(LostUnderAName, G1ThatWasRemoved) {
  write_under("a");
  unlink_file(mirror_->mount("a"));
  ASSERT_TRUE(eventually([this] { return !is_there(mirror_->replica("a")); }));
  expect_recovery();
}

TEST_F(LostUnderAName, G1ThatWasReplaced) {
  write_under("a");
  rename_to(mirror_->mount("other"), mirror_->mount("a"));
  ASSERT_TRUE(eventually([this] { return !is_there(mirror_->replica("other")); }));
  expect_recovery();
}

const std::vector<std::string> kDurable = {"--journal=durable"};
const std::vector<std::string> kPromised = {"--journal=durable", "--mode=fsync"};
const std::vector<std::string> kPromisedFast = {"--mode=fsync"};

INSTANTIATE_TEST_SUITE_P(
    Of, PowerCut,
    testing::Values(Case{"disk_ext4_durable", false, Filesystem::kExt4, false, kDurable},
                    Case{"disk_ext4_durable_fsync", false, Filesystem::kExt4, false, kPromised},
                    Case{"disk_ext4_fast_fsync", false, Filesystem::kExt4, false, kPromisedFast},
                    Case{"disk_xfs_durable_fsync", false, Filesystem::kXfs, false, kPromised},
                    Case{"disk_xfs_fast", false, Filesystem::kXfs, false, {}},
                    Case{"disks_ext4_durable_fsync", false, Filesystem::kExt4, true, kPromised},
                    Case{"disks_xfs_fast", false, Filesystem::kXfs, true, {}},
                    Case{"shutdown_ext4_durable_fsync", true, Filesystem::kExt4, false, kPromised},
                    Case{"shutdown_ext4_fast", true, Filesystem::kExt4, false, {}},
                    Case{"shutdown_xfs_durable", true, Filesystem::kXfs, true, kDurable},
                    Case{"shutdown_xfs_fast_fsync", true, Filesystem::kXfs, false, kPromisedFast}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace mirrorfs::test
