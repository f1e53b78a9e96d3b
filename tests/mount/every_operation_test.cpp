// G2: every operation on every kind of object, those included that do not fit: the mount answers as
// the bare filesystem does, and the replica has what the source has after each.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "mirror_mount.h"
#include "object_kinds.h"
#include "operation_table.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

struct Subject {
  std::string name;
  std::function<void(const Path&)> make;
};

std::vector<Subject> subjects() {
  std::vector<Subject> all = {
      {"Nothing", [](const Path&) {}},
      {"SetIdFile",
       [](const Path& p) {
         write_file(p, pattern(9000, 4));
         change_mode(p, 06755);
       }},
      {"FileWithCapabilities",
       [](const Path& p) {
         write_file(p, "tool", 0755);
         const char capability[20] = {1, 0, 0, 2, 0, 4};  // cap_net_bind_service=p
         set_xattr(p, "security.capability", {capability, sizeof capability});
       }},
      {"FileWithAcl",
       [](const Path& p) {
         write_file(p, pattern(5000, 5));
         set_xattr(p, "system.posix_acl_access", some_acl(1000, 6));
       }},
      {"SparseFile",
       [](const Path& p) {
         write_file(p, "");
         write_at(p, 3'000'000, "the end");
       }},
      {"SetGroupIdDirectory",
       [](const Path& p) {
         make_directory(p);
         change_owner(p, 0, 4242);
         change_mode(p, 02775);
       }},
      {"DirectoryWithDefaultAcl", [](const Path& p) {
         make_directory(p);
         set_xattr(p, "system.posix_acl_default", some_acl(1000, 5));
       }}};
  for (const Kind kind : kAllKinds) {
    all.push_back({to_string(kind), [kind](const Path& p) { make_object(kind, p); }});
  }
  return all;
}

/// How a regular file comes to be open; returns the descriptor. The name is "object", if any.
struct OpenState {
  const char* name;
  UniqueFd (*open)(const Path& folder);
};

UniqueFd open_object(const Path& folder) {
  write_file(folder / "object", pattern(12'000, 6));
  return open_file(folder / "object", O_RDWR);
}

const std::vector<OpenState>& open_states() {
  static const std::vector<OpenState> all = {
      {"Named", open_object},
      {"Unlinked",
       [](const Path& folder) {
         UniqueFd fd = open_object(folder);
         unlink_file(folder / "object");
         return fd;
       }},
      {"UnlinkedAndItsNameTaken",
       [](const Path& folder) {
         UniqueFd fd = open_object(folder);
         unlink_file(folder / "object");
         write_file(folder / "object", "another");
         return fd;
       }},
      {"ReplacedByARename",
       [](const Path& folder) {
         UniqueFd fd = open_object(folder);
         rename_to(folder / "sibling", folder / "object");
         return fd;
       }},
      {"Renamed",
       [](const Path& folder) {
         UniqueFd fd = open_object(folder);
         rename_to(folder / "object", folder / "room" / "moved");
         return fd;
       }},
      {"Exchanged",
       [](const Path& folder) {
         UniqueFd fd = open_object(folder);
         rename_to(folder / "object", folder / "full", RENAME_EXCHANGE);
         return fd;
       }},
      {"ItsDirectoryRenamed",
       [](const Path& folder) {
         write_file(folder / "full" / "object", pattern(12'000, 6));
         UniqueFd fd = open_file(folder / "full" / "object", O_RDWR);
         rename_to(folder / "full", folder / "room" / "elsewhere");
         return fd;
       }},
      {"ItsDirectoryRemoved",
       [](const Path& folder) {
         write_file(folder / "room" / "object", pattern(12'000, 6));
         UniqueFd fd = open_file(folder / "room" / "object", O_RDWR);
         std::filesystem::remove_all(folder / "room");
         return fd;
       }},
      {"OneOfTwoNamesGone",
       [](const Path& folder) {
         UniqueFd fd = open_object(folder);
         make_link(folder / "object", folder / "room" / "second");
         unlink_file(folder / "object");
         return fd;
       }},
      {"NeverNamed",
       [](const Path& folder) {
         UniqueFd fd = open_file(folder, O_TMPFILE | O_RDWR);
         write_all(fd.get(), pattern(12'000, 6), folder);
         return fd;
       }},
  };
  return all;
}

/// The kernel's FUSE takes a file's capabilities before it asks for the allocation, which tmpfs
/// then refuses; tmpfs itself refuses first (fuse_file_fallocate, shmem_fallocate, Linux 6.18).
bool differs_by_the_kernel(const PathOperation& operation, const Subject& subject,
                           Filesystem filesystem) {
  return filesystem == Filesystem::kTmpfs && subject.name == "FileWithCapabilities" &&
         std::string(operation.name) == "fallocate, zeroing";
}

std::string result_of(const std::function<void()>& act) {
  try {
    act();
    return "done";
  } catch (const std::system_error& problem) {
    return problem.code().message();
  }
}

/// What an application sees through its descriptor.
std::string seen_through(int fd, const Path& folder) {
  struct stat status{};
  check(::fstat(fd, &status), "fstat", folder);
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  content.resize(static_cast<std::size_t>(
      check(::pread(fd, content.data(), content.size(), 0), "pread", folder)));
  return fmt::format("mode {:o}, owner {}:{}, links {}, size {}, content {:x}", status.st_mode,
                     status.st_uid, status.st_gid, status.st_nlink, status.st_size,
                     std::hash<std::string>{}(content));
}

/// The facts that do not depend on when something was done.
Snapshot timeless(Snapshot snapshot) {
  for (auto& [path, facts] : snapshot) facts.erase("mtime");
  return snapshot;
}

/// Does everything on the mount and in a bare directory on the source's filesystem.
class EveryOperation : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    mirror_.emplace(
        MirrorSetup{.source = GetParam(), .replica = GetParam(), .options = {"-o", "suid,dev"}});
    bare_ = mirror_->source().parent_path() / "bare";  // beside the source, not in it
    make_directory(bare_);
    mirror_->start();
  }

  void TearDown() override {
    if (!mirror_) return;
    EXPECT_TRUE(mirror_->identical());
    mirror_->stop();
    EXPECT_TRUE(mirror_->trees_equal()) << "after the stop";
  }

  /// A folder for the row in both places.
  std::pair<Path, Path> begin_row(const char* name) {
    make_directory(mirror_->mount(name));
    make_directory(bare_ / name);
    return {mirror_->mount(name), bare_ / name};
  }

  /// After each row all trees are compared, so that a difference names its operation and object.
  void compare_row(const char* name) {
    mirror_->wait();
    const Snapshot source = snapshot(mirror_->source(name));
    const auto report = [&](const char* what, const std::vector<std::string>& lines) {
      for (const std::string& line : lines) ADD_FAILURE() << name << ": " << what << ": " << line;
    };
    report("source and replica", differences(source, snapshot(mirror_->replica(name))));
    report("mount and source", differences(snapshot(mirror_->mount(name)), source));
    report("source and bare directory",
           differences(timeless(source), timeless(snapshot(bare_ / name))));
  }

  std::optional<MirrorMount> mirror_;
  Path bare_;
};

TEST_P(EveryOperation, OnEveryKindOfObject) {
  for (const PathOperation& operation : path_operations()) {
    const auto [mounted, bare] = begin_row(operation.name);
    for (const Subject& subject : subjects()) {
      if (differs_by_the_kernel(operation, subject, GetParam())) continue;
      const auto attempt = [&](const Path& row) {
        const Path folder = row / subject.name;
        make_directory(folder);
        make_company(folder);
        subject.make(folder / "object");
        return result_of([&] { operation.act(folder / "object"); });
      };
      EXPECT_EQ(attempt(mounted), attempt(bare)) << operation.name << " on " << subject.name;
    }
    compare_row(operation.name);
  }
}

TEST_P(EveryOperation, ThroughADescriptorWhateverBecameOfTheName) {
  for (const DescriptorOperation& operation : descriptor_operations()) {
    const auto [mounted, bare] = begin_row(operation.name);
    for (const OpenState& state : open_states()) {
      const auto attempt = [&](const Path& row) {
        const Path folder = row / state.name;
        make_directory(folder);
        make_company(folder);
        const UniqueFd fd = state.open(folder);
        const std::string result = result_of([&] { operation.act(fd.get(), folder); });
        return result + ", " + seen_through(fd.get(), folder);
      };
      EXPECT_EQ(attempt(mounted), attempt(bare)) << operation.name << " on " << state.name;
    }
    compare_row(operation.name);
  }
}

INSTANTIATE_TEST_SUITE_P(G2, EveryOperation, testing::Values(Filesystem::kTmpfs, Filesystem::kExt4),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
