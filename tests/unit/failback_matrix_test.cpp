// G8 on real trees: every order of sessions, kills, copies, edits by hand on either side,
// promotions and ways back. After each step both trees hold what a model says, and whatever a step
// took from a tree that the other side had never seen is kept.
//
// The mutants: a keeper that is not asked; a window of changes that begins at the end of the walk;
// a replica whose role is not looked at; a way back that forgets what a killed session had not
// applied.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "mirrorfs/mirror.h"
#include "mirrorfs/pairs.h"
#include "mirrorfs/tree_pair.h"
#include "source_driver.h"

namespace mirrorfs::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// What happens: on the trees A and B, in the order of `kEvents`.
enum class Event : char {
  kMount = 'm',      ///< A is mirrored to B, an application writes, it ends
  kMountBack = 'b',  ///< B to A
  kKill = 'k',       ///< as kMount, but the daemon is killed before it has applied the last changes
  kKillBack = 'l',   ///< as kMountBack
  kSync = 's',       ///< mirrorctl sync A B
  kEditReplica = 'e',  ///< by hand, in B
  kEditSource = 'a',   ///< by hand, in A
  kPromote = 'P',      ///< B
  kPromoteBack = 'Q',  ///< A
};
constexpr std::string_view kEvents = "mbklseaPQ";
/// Five take some minutes: MIRRORFS_MATRIX_LENGTH=5.
std::size_t length() {
  const char* const asked = std::getenv("MIRRORFS_MATRIX_LENGTH");
  return asked == nullptr ? 4 : std::strtoul(asked, nullptr, 10);
}

/// A change made within 0.1 s of a killed daemon's last one is taken for the daemon's.
constexpr auto kAfterAKill = 150ms;

enum Side : std::size_t { kA, kB };

/// One state of one file. A mirror hands versions on; only applications make them.
struct Version {
  int before = -1;      ///< what its writer saw
  std::string content;  ///< unique; empty: the file was removed
};

using State = std::map<std::string, int>;  ///< path to version

class Pair {
 public:
  Pair() {
    std::string pattern = (fs::temp_directory_path() / "mirrorfs-matrix-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    for (const char* name : {"A", "B", "A/dir", "state"}) fs::create_directory(base_ / name);
    ::setenv("MIRRORFS_STATE_DIR", (base_ / "state").c_str(), 1);
    for (const char* path : {"file", "dir/inner", "now and then"}) write_by_hand(kA, path);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    ::unsetenv("MIRRORFS_STATE_DIR");
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }

  void play(Event event) {
    switch (event) {
      case Event::kMount: return session(kA, kB, false);
      case Event::kMountBack: return session(kB, kA, false);
      case Event::kKill: return session(kA, kB, true);
      case Event::kKillBack: return session(kB, kA, true);
      case Event::kSync: return sync();
      case Event::kEditReplica: return edit(kB);
      case Event::kEditSource: return edit(kA);
      case Event::kPromote: return promote_side(kB);
      case Event::kPromoteBack: return promote_side(kA);
    }
  }

  /// Each tree holds what the model says; nothing that was kept is gone.
  void check() {
    for (const Side side : {kA, kB}) {
      std::map<std::string, std::string> meant;
      for (const auto& [path, version] : state_[side]) {
        if (!at(version).content.empty()) meant[path] = at(version).content;
      }
      ASSERT_EQ(files_in(side), meant) << "tree " << "AB"[side];
      const std::set<std::string> kept = kept_in(side);
      ASSERT_TRUE(std::ranges::includes(kept, kept_[side])) << "what was kept is gone";
      kept_[side] = kept;
    }
  }

 private:
  [[nodiscard]] const Version& at(int version) const {
    return versions_[static_cast<std::size_t>(version)];
  }
  [[nodiscard]] fs::path root(Side side) const { return base_ / (side == kA ? "A" : "B"); }

  std::string write_version(Side side, const std::string& path, bool removed = false) {
    const auto found = state_[side].find(path);
    const int before = found == state_[side].end() ? -1 : found->second;
    const std::string number = std::to_string(versions_.size());
    std::string content = removed ? "" : std::string(8 - number.size(), '0') + number;
    versions_.push_back({before, content});
    state_[side][path] = static_cast<int>(versions_.size()) - 1;
    return content;
  }
  [[nodiscard]] bool is_there(Side side, const std::string& path) const {
    return fs::exists(root(side) / path);
  }
  void write_by_hand(Side side, const std::string& path) {
    fs::create_directories((root(side) / path).parent_path());
    std::ofstream(root(side) / path) << write_version(side, path);
  }

  /// In B with the size and time as before (in the source a quick sync does not see that); as
  /// editors do it; a new directory; a file that comes and goes.
  void edit(Side side) {
    std::this_thread::sleep_until(killed_ + kAfterAKill);
    edited_since_ = true;
    const auto time = fs::last_write_time(root(side) / "file");
    write_by_hand(side, "file");
    if (side == kB) fs::last_write_time(root(side) / "file", time);
    std::ofstream(root(side) / "dir/.inner~") << write_version(side, "dir/inner");
    fs::rename(root(side) / "dir/.inner~", root(side) / "dir/inner");
    const std::string fresh = "by hand " + std::to_string(versions_.size());
    write_by_hand(side, fresh + "/deep/file");
    write_by_hand(side, fresh + " too");
    if (side == kA && is_there(side, "now and then")) {
      write_version(side, "now and then", true);
      fs::remove(root(side) / "now and then");
    } else {
      write_by_hand(side, "now and then");
    }
  }

  void application_writes(Side side, SourceDriver& driver) {
    ASSERT_TRUE(driver.write("file", 0, write_version(side, "file")));
    ASSERT_TRUE(driver.write("dir/inner", 0, write_version(side, "dir/inner")));
    const std::string fresh = "dir/written " + std::to_string(versions_.size());
    ASSERT_TRUE(driver.create(fresh));
    ASSERT_TRUE(driver.write(fresh, 0, write_version(side, fresh)));
    if (is_there(side, "now and then")) {
      write_version(side, "now and then", true);
      ASSERT_TRUE(driver.unlink("now and then"));
    } else {
      ASSERT_TRUE(driver.create("now and then"));
      ASSERT_TRUE(driver.write("now and then", 0, write_version(side, "now and then")));
    }
  }

  void session(Side from, Side to, bool kill) {
    const State before = state_[to];
    const bool turned = mirrored_from_ != from;
    mirrored_from_ = newer_;
    // Such a session looks at what is marked only, and leaves what was edited to the next.
    const bool is_blind = killed_session_ && edited_since_ && !turned;
    if (is_blind && from == newer_) {
      run_session(from, to, false);
      if (!::testing::Test::HasFailure()) expect_nothing_lost(to, before, from);
    }
    run_session(from, to, kill);
    if (from == newer_ && !::testing::Test::HasFailure()) expect_kept(to, before, from, turned);
  }

  void run_session(Side from, Side to, bool kill) {
    MirrorOptions options;
    options.source = root(from);
    options.replica = root(to);
    options.state_dir = base_ / "state";
    auto mirror = Mirror::open(options);
    ASSERT_EQ(mirror.has_value(), from == newer_)
        << (mirror ? "a mount over the newer tree" : mirror.error());
    if (!mirror) return;
    paired_[to] = true;
    const auto started = (*mirror)->start();
    ASSERT_TRUE(started) << started.error().message();
    SourceDriver driver(root(from), (*mirror)->replicator());
    application_writes(from, driver);
    ASSERT_TRUE((*mirror)->wait(30s)) << (*mirror)->status().last_error;
    state_[to] = state_[from];
    edited_since_ = false;
    killed_session_ = kill;
    if (!kill) {
      ASSERT_TRUE((*mirror)->stop(30s));
      return;
    }
    ASSERT_TRUE((*mirror)->pause());
    application_writes(from, driver);
    mirror->reset();
    killed_ = Clock::now();
  }

  void sync() {
    auto pair = TreePair::open({.source = root(kA), .replica = root(kB), .for_change = true});
    ASSERT_EQ(pair.has_value(), newer_ == kA) << (pair ? "over the newer tree" : pair.error());
    if (!pair) return;
    const auto report = (*pair)->sync({});
    ASSERT_TRUE(report) << report.error().message();
    ASSERT_TRUE(report->failures.empty()) << report->failures[0].path;
    const State before = state_[kB];
    const bool turned = std::exchange(mirrored_from_, kA) != kA;
    paired_[kB] = true;
    state_[kB] = state_[kA];
    edited_since_ = false;  // what a killed session has marked stays marked
    expect_kept(kB, before, kA, turned);
  }

  void promote_side(Side side) {
    const auto promoted = promote(root(side));
    ASSERT_EQ(promoted.has_value(), paired_[side]) << (promoted ? "" : promoted.error());
    if (promoted) newer_ = side;
  }

  /// What the tree had before, and the source never saw, must be in `kept`; and nothing else, but
  /// what the tree got as a source within two seconds of the end of that session: its clock may be
  /// as coarse as that.
  void expect_kept(Side replica, const State& before, Side source, bool turned) {
    const std::set<std::string> kept = kept_in(replica);
    for (const auto& [path, version] : before) {
      const std::string& content = at(version).content;
      if (content.empty()) continue;
      if (was_seen(source, path, version)) {
        EXPECT_FALSE(!turned && kept.contains(content) && !kept_[replica].contains(content))
            << path << ": " << content << " was kept needlessly";
      } else {
        ASSERT_TRUE(kept.contains(content)) << path << ": " << content << " is lost";
      }
    }
  }
  void expect_nothing_lost(Side replica, const State& before, Side source) const {
    const std::set<std::string> kept = kept_in(replica);
    const auto there = files_in(replica);
    for (const auto& [path, version] : before) {
      const std::string& content = at(version).content;
      const auto found = there.find(path);
      const bool stands = found != there.end() && found->second == content;
      ASSERT_TRUE(content.empty() || stands || kept.contains(content) ||
                  was_seen(source, path, version))
          << path << ": " << content << " is lost";
    }
  }
  [[nodiscard]] bool was_seen(Side side, const std::string& path, int version) const {
    const auto now = state_[side].find(path);
    return now != state_[side].end() && descends(now->second, version);
  }
  [[nodiscard]] bool descends(int version, int from) const {
    while (version > from) version = at(version).before;
    return version == from;
  }

  [[nodiscard]] std::map<std::string, std::string> files_in(Side side) const {
    std::map<std::string, std::string> files;
    for (auto each = fs::recursive_directory_iterator(root(side));
         each != fs::recursive_directory_iterator(); ++each) {
      if (each->path().filename() == kReservedName) {
        each.disable_recursion_pending();
      } else if (each->is_regular_file()) {
        files[fs::relative(each->path(), root(side)).string()] = read(each->path());
      }
    }
    return files;
  }
  [[nodiscard]] std::set<std::string> kept_in(Side side) const {
    std::set<std::string> contents;
    const fs::path folder = root(side) / kReservedName / "kept";
    if (!fs::exists(folder)) return contents;
    for (const auto& each : fs::recursive_directory_iterator(folder)) {
      if (each.is_regular_file()) contents.insert(read(each.path()));
    }
    return contents;
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path base_;
  std::vector<Version> versions_;
  State state_[2];
  std::set<std::string> kept_[2];
  bool paired_[2] = {false, false};  ///< the tree has a record
  Side newer_ = kA;                  ///< whose data counts, by the last word of the user
  Clock::time_point killed_{};
  bool killed_session_ = false;  ///< so ended the last one
  bool edited_since_ = false;
  Side mirrored_from_ = kA;  ///< by the last session
};

/// Leaves out what adds nothing: edits and promotions that repeat the one before, and whatever
/// follows what was refused (that is checked to change nothing).
bool worth_playing(const std::string& story, char next) {
  const char last = story.back();
  switch (next) {
    case 'e': return last != 'e';
    case 'a': return last != 'a' && last != 'e';  // in the other order only
    case 'P': return last != 'P';
    case 'Q': return last != 'Q' && story.find_first_of("bl") != std::string::npos;
    default: return true;
  }
}

/// Without playing: whether the last event was refused.
bool is_refused(const std::string& story) {
  bool of_b = false;
  bool refused = false;
  for (const char event : story) {
    refused = false;
    if (event == 'P') of_b = true;
    if (event == 'Q') of_b = false;
    if (std::string_view("mks").contains(event)) refused = of_b;
    if (std::string_view("bl").contains(event)) refused = !of_b;
  }
  return refused;
}

void collect(const std::string& story, std::vector<std::string>& stories) {
  const bool ends = story.size() == length() || is_refused(story);
  if (ends) return stories.push_back(story);
  for (const char next : kEvents) {
    if (worth_playing(story, next)) collect(story + next, stories);
  }
}

/// An engine that was "killed" stays in the process, with its descriptors.
void allow_many_descriptors() {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/// By the first two events, so that they can run side by side.
class FailbackMatrix : public ::testing::TestWithParam<std::tuple<char, char>> {};

TEST_P(FailbackMatrix, G8NothingNewerIsEverOverwritten) {
  const auto [first, second] = GetParam();
  std::vector<std::string> stories;
  collect(std::string{first, second}, stories);
  ASSERT_FALSE(stories.empty());
  if (const char* only = std::getenv("MIRRORFS_MATRIX_STORY")) stories = {only};
  allow_many_descriptors();
  for (const std::string& story : stories) {
    SCOPED_TRACE(story);
    Pair pair;
    for (const char event : story) {
      pair.play(static_cast<Event>(event));
      if (!HasFailure()) pair.check();
      if (HasFailure()) return;
    }
  }
  RecordProperty("stories", static_cast<int>(stories.size()));
}

std::string name_of(const ::testing::TestParamInfo<FailbackMatrix::ParamType>& info) {
  return std::string(1, std::get<0>(info.param)) + std::get<1>(info.param);
}

INSTANTIATE_TEST_SUITE_P(G8, FailbackMatrix,
                         ::testing::Combine(::testing::Values('m', 'k', 's'),
                                            ::testing::ValuesIn(std::string("mbklseaP"))),
                         name_of);

}  // namespace
}  // namespace mirrorfs::testing
