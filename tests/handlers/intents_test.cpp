// G1: whatever fails after the source was changed, the change is recorded or what it may have
// touched is. Every look at the source and every allocation on the way of each kind of request is
// made to fail in turn. Mutant: a handler that completes its Recording before the last look.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/handlers/injection.h"
#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

/// One kind of request: made ready through the mount, done, and judged by what the source shows.
struct Kind {
  const char* name;
  std::vector<std::string> touched;  ///< names in the root, some of which an Unknown has to have
  std::function<void(const std::string& root)> prepare;
  std::function<long(const std::string& root)> change;
};

void touch(const std::string& path, std::string_view content = "old") {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::write(fd.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
}

long with_file(const std::string& path, int flags, const std::function<long(int)>& work) {
  const UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  return fd ? work(fd.get()) : -1;
}

std::vector<Kind> kinds() {
  const auto file = [](const std::string& root) { touch(root + "/a"); };
  const auto two = [](const std::string& root) {
    touch(root + "/a");
    touch(root + "/b", "another");
  };
  const auto nothing = [](const std::string&) {};
  return {
      {"mkdir", {"a"}, nothing, [](auto& r) { return ::mkdir((r + "/a").c_str(), 0755); }},
      {"mknod", {"a"}, nothing, [](auto& r) { return ::mkfifo((r + "/a").c_str(), 0644); }},
      {"symlink", {"a"}, nothing, [](auto& r) { return ::symlink("to", (r + "/a").c_str()); }},
      {"create",
       {"a"},
       nothing,
       [](auto& r) { return with_file(r + "/a", O_RDWR | O_CREAT, [](int) { return 0; }); }},
      {"link",
       {"a", "b"},
       file,
       [](auto& r) { return ::link((r + "/a").c_str(), (r + "/b").c_str()); }},
      {"unlink", {"a"}, file, [](auto& r) { return ::unlink((r + "/a").c_str()); }},
      {"rmdir",
       {"a"},
       [](auto& r) { ASSERT_EQ(::mkdir((r + "/a").c_str(), 0755), 0); },
       [](auto& r) { return ::rmdir((r + "/a").c_str()); }},
      {"rename",
       {"a", "b"},
       two,
       [](auto& r) { return ::rename((r + "/a").c_str(), (r + "/b").c_str()); }},
      {"exchange",
       {"a", "b"},
       two,
       [](auto& r) {
         return ::renameat2(AT_FDCWD, (r + "/a").c_str(), AT_FDCWD, (r + "/b").c_str(),
                            RENAME_EXCHANGE);
       }},
      {"chmod", {"a"}, file, [](auto& r) { return ::chmod((r + "/a").c_str(), 0600); }},
      {"chown", {"a"}, file, [](auto& r) { return ::chown((r + "/a").c_str(), 5, 6); }},
      {"truncate", {"a"}, file, [](auto& r) { return ::truncate((r + "/a").c_str(), 1); }},
      {"open with O_TRUNC",
       {"a"},
       file,
       [](auto& r) { return with_file(r + "/a", O_WRONLY | O_TRUNC, [](int) { return 0; }); }},
      {"write",
       {"a"},
       file,
       [](auto& r) {
         return with_file(r + "/a", O_WRONLY, [](int fd) { return ::pwrite(fd, "new", 3, 0); });
       }},
      {"fallocate",
       {"a"},
       file,
       [](auto& r) {
         return with_file(r + "/a", O_WRONLY, [](int fd) { return ::fallocate(fd, 0, 0, 9000); });
       }},
      {"setxattr",
       {"a"},
       file,
       [](auto& r) { return ::setxattr((r + "/a").c_str(), "trusted.x", "v", 1, 0); }},
      {"removexattr",
       {"a"},
       [](auto& r) {
         touch(r + "/a");
         ASSERT_EQ(::setxattr((r + "/a").c_str(), "trusted.x", "v", 1, 0), 0);
       },
       [](auto& r) { return ::removexattr((r + "/a").c_str(), "trusted.x"); }},
  };
}

class Intents : public Mounted {
 protected:
  using State = std::map<std::string, std::string>;

  /// What a request may change of the two names: nothing that a mere look changes.
  [[nodiscard]] State state() const {
    State state;
    for (const char* const name : {"a", "b"}) {
      struct stat found{};
      if (::lstat(source(name).c_str(), &found) != 0) continue;
      char value[8];
      state[name] = std::to_string(found.st_ino) + " " + std::to_string(found.st_mode) + " " +
                    std::to_string(found.st_uid) + " " + std::to_string(found.st_nlink) + " " +
                    std::to_string(found.st_size) + " " +
                    (S_ISREG(found.st_mode) ? read_file(source(name)) : "") + " " +
                    std::to_string(::getxattr(source(name).c_str(), "trusted.x", value, 8));
    }
    return state;
  }

  void clear() const {
    for (const char* const name : {"a", "b"}) {
      (void)::unlink(mount(name).c_str());
      (void)::rmdir(mount(name).c_str());
    }
  }

  void judge(const Kind& kind, const State& before, const std::string& where) {
    const auto operations = take();
    const auto abandoned = replicator_.take_abandoned();
    if (state() == before) return;
    const bool told = std::ranges::any_of(operations, [](const Operation& operation) {
      return !std::holds_alternative<LearnDirectory>(operation);
    });
    EXPECT_TRUE(told) << where << ": changed, and nothing was recorded";
    if (abandoned.empty()) return;  // what failed, if anything, was the reply
    const bool names_it = std::ranges::any_of(abandoned, [&](const Footprint& footprint) {
      return std::ranges::any_of(footprint.entries(), [&](const Location& entry) {
        return std::ranges::count(kind.touched, entry.name) > 0;
      });
    });
    EXPECT_TRUE(names_it) << where << ": what is marked is not what was changed";
  }

  /// Returns how many failures there were to inject.
  int try_all(const Kind& kind, Failing what, int most) {
    for (int nth = 1; nth <= most; ++nth) {
      clear();
      kind.prepare(mount("."));
      (void)take();
      (void)replicator_.take_abandoned();
      const State before = state();
      bool happened = false;
      {
        const Injection injection(what, nth);
        (void)kind.change(mount("."));
        happened = injection.happened();
      }
      judge(kind, before, std::string(kind.name) + ", failure " + std::to_string(nth));
      if (!happened) return nth - 1;
    }
    return most;
  }
};

TEST_F(Intents, G1EveryLookThatFailsLeavesTheChangeRecordedOrMarked) {
  for (const Kind& kind : kinds()) {
    EXPECT_GT(try_all(kind, Failing::kLook, 40), 0) << kind.name << ": nothing was looked at";
  }
}

TEST_F(Intents, G1EveryAllocationThatFailsLeavesTheChangeRecordedOrMarked) {
  for (const Kind& kind : kinds()) {
    EXPECT_GT(try_all(kind, Failing::kMemory, 400), 0) << kind.name;
  }
}

}  // namespace
}  // namespace mirrorfs::testing
