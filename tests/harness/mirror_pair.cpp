#include "mirror_pair.h"

#include <sys/mount.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tree_compare.h"

namespace mirrorfs::test {

MirrorPair::MirrorPair() {
  for (const char* name : {"s", "d", "m", "state"}) make_directory(path(name));
}

MirrorPair::~MirrorPair() {
  if (testing::Test::HasFailure() && is_there(path("log"))) {
    std::fprintf(stderr, "the daemons' log:\n%s\n", log().c_str());
  }
  for (const auto& entry : std::filesystem::directory_iterator(base_.path())) {
    const auto mounted = mount_at(entry.path());
    if (mounted && mounted->type == "fuse.mirrorfs") {
      ::umount2(entry.path().c_str(), MNT_DETACH);
      static_cast<void>(eventually([&] { return ctl({"status", entry.path()}).exit_code != 0; }));
    }
  }
}

RunOptions MirrorPair::options() const {
  RunOptions options;
  options.directory = base_.path();
  options.timeout = milliseconds(40'000);
  options.environment = {"MIRRORFS_STATE_DIR=" + path("state").string(),
                         "PATH=" + Path(MIRRORFS_PROGRAM).parent_path().string() +
                             ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  return options;
}

Finished MirrorPair::mirrorfs(const std::string& from, const std::string& to,
                              const std::vector<std::string>& more,
                              const std::string& mount) const {
  std::vector<std::string> words = {MIRRORFS_PROGRAM, "--log-file=" + path("log").string()};
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {from, to, mount});
  return run(words, options());
}

Finished MirrorPair::ctl(const std::vector<std::string>& more) const {
  std::vector<std::string> words = {MIRRORCTL_PROGRAM};
  words.insert(words.end(), more.begin(), more.end());
  return run(words, options());
}

Finished MirrorPair::shell(const std::string& line) const {
  return run({"sh", "-c", line}, options());
}

void MirrorPair::mount(const std::string& from, const std::string& to,
                       const std::vector<std::string>& more, const std::string& mount) const {
  const Finished mounted = mirrorfs(from, to, more, mount);
  if (mounted.exit_code != 0) throw std::runtime_error("mirrorfs: " + mounted.err);
}

void MirrorPair::fill(const std::string& tree, int files) const {
  for (int i = 0; i < files; ++i) {
    write_file(path(tree + "/file" + std::to_string(i)), "content");
  }
}

void MirrorPair::mirror_once() const {
  mount();
  wait();
  unmount();
  ASSERT_EQ(differences("s", "d"), "");
}

void MirrorPair::wait(const std::string& mount) const {
  const Finished waited = ctl({"wait", mount, "--timeout=30"});
  if (waited.exit_code != 0) throw std::runtime_error("mirrorctl wait: " + waited.err);
}

void MirrorPair::unmount(const std::string& mount) const {
  const auto pid =
      nlohmann::json::parse(ctl({"status", mount, "--json"}).out).at("pid").get<pid_t>();
  ChildProcess daemon = ChildProcess::adopt(pid);
  check(::umount2(path(mount).c_str(), 0), "umount", path(mount));
  const auto code = daemon.wait(milliseconds(30'000));
  if (!code || *code != 0) throw std::runtime_error("the daemon did not end with 0: " + log());
}

void MirrorPair::crash(const std::string& mount) const {
  const auto pid =
      nlohmann::json::parse(ctl({"status", mount, "--json"}).out).at("pid").get<pid_t>();
  ChildProcess daemon = ChildProcess::adopt(pid);
  daemon.signal(SIGKILL);
  if (!daemon.wait(milliseconds(10'000))) throw std::runtime_error("it survives kill -9");
  ::umount2(path(mount).c_str(), MNT_DETACH);
}

void MirrorPair::expect_refused(const std::string& from, const std::string& to,
                                const std::string& hint, const std::vector<std::string>& more,
                                const std::string& mount) const {
  const Snapshot before = snapshot(path(to));
  const Finished refused = mirrorfs(from, to, more, mount);
  EXPECT_EQ(refused.exit_code, 2) << refused.out << refused.err;
  EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  EXPECT_NE(refused.err.find(hint), std::string::npos) << "no «" << hint << "» in: " << refused.err;
  EXPECT_EQ(test::differences(before, snapshot(path(to))), std::vector<std::string>());
  const auto mounted = mount_at(path(mount));
  EXPECT_FALSE(mounted && mounted->type == "fuse.mirrorfs") << "it is mounted all the same";
  if (refused.exit_code == 0) unmount(mount);
}

std::string MirrorPair::differences(const std::string& a, const std::string& b) const {
  return compare_trees(path(a), path(b));
}

std::vector<std::string> MirrorPair::kept_in(const std::string& tree) const {
  std::vector<std::string> kept;
  const Path folder = path(tree) / ".mirrorfs/kept";
  if (!is_there(folder)) return kept;
  for (const auto& time : std::filesystem::directory_iterator(folder)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(time.path())) {
      if (!entry.is_regular_file()) continue;
      const std::string relative = std::filesystem::relative(entry.path(), time.path()).string();
      kept.push_back(relative + ": " + read_file(entry.path()));
    }
  }
  std::ranges::sort(kept);
  return kept;
}

std::string MirrorPair::log() const { return read_file(path("log")); }

}  // namespace mirrorfs::test
