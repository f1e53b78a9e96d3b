#include "mirror_mount.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

constexpr std::size_t kLogTail = 6000;
constexpr milliseconds kStartTimeout(20'000);

std::string described(const Finished& finished) {
  return fmt::format("exit code {}: {}{}", finished.exit_code, finished.out, finished.err);
}

std::string tail_of(const Path& file) {
  std::ifstream stream(file, std::ios::ate);
  if (!stream) return {};
  const auto size = static_cast<std::size_t>(stream.tellg());
  const std::size_t wanted = std::min(size, kLogTail);
  std::string text(wanted, '\0');
  stream.seekg(static_cast<std::streamoff>(size - wanted));
  stream.read(text.data(), static_cast<std::streamsize>(wanted));
  return text;
}

}  // namespace

MirrorMount::MirrorMount(MirrorSetup setup) : setup_(std::move(setup)) {
  make_tree(setup_.source, "source-fs", setup_.source_bytes, source_filesystem_, source_);
  make_tree(setup_.replica, "replica-fs", setup_.replica_bytes, replica_filesystem_, replica_);
  mount_ = setup_.over_itself ? source_ : base() / "mount";
  source_view_ = source_;
  for (const char* name : {"mount", "state", "source-view"}) make_directory(base() / name);
  if (setup_.over_itself) {
    source_view_ = base() / "source-view";
    check(::mount(source_.c_str(), source_view_.c_str(), nullptr, MS_BIND, nullptr), "bind mount",
          source_view_);
  }
  if (setup_.user) hand_over_to_user();
}

/// The build folder may lie where others cannot go: the programs show up below the test's own.
void MirrorMount::hand_over_to_user() {
  for (Path* program : {&mirrorfs_, &mirrorctl_}) {
    const Path shown = base() / program->filename();
    write_file(shown, "");
    check(::mount(program->c_str(), shown.c_str(), nullptr, MS_BIND, nullptr), "bind mount", shown);
    *program = shown;
  }
  for (const Path& path : {source_, replica_, base() / "mount", base() / "state", base()}) {
    change_owner(path, *setup_.user, *setup_.user);
  }
}

MirrorMount::~MirrorMount() {
  if (testing::Test::HasFailure() || std::uncaught_exceptions() > 0) {
    std::string state = "stopped";
    if (daemon_ && daemon_->running()) {
      const auto code = daemon_->wait(milliseconds(0));
      state = code ? fmt::format("ended with {}", *code) : "still running";
    }
    fmt::print(stderr, "the daemon is {}; the end of its log:\n{}\n", state, log_tail());
  }
  clean_up();
}

void MirrorMount::make_tree(Filesystem kind, const char* name, std::uint64_t bytes,
                            std::unique_ptr<OwnFilesystem>& filesystem, Path& tree) {
  if (kind == Filesystem::kFolder) {
    make_directory(base() / name);
  } else {
    filesystem = std::make_unique<OwnFilesystem>(kind, base() / name, bytes);
  }
  tree = base() / name / "tree";
  make_directory(tree);
}

RunOptions MirrorMount::as_user() const {
  RunOptions options;
  options.user = setup_.user;
  if (setup_.user) {
    options.environment = {"XDG_RUNTIME_DIR=" + state_directory().string(),
                           "HOME=" + base().string()};
  }
  return options;
}

std::vector<std::string> MirrorMount::command(const std::vector<std::string>& more) const {
  std::vector<std::string> words = {mirrorfs_.string(), "--state-dir=" + state_directory().string(),
                                    "--log-file=" + (base() / "log").string()};
  if (!setup_.daemonised) words.emplace_back("--foreground");
  words.insert(words.end(), setup_.options.begin(), setup_.options.end());
  words.insert(words.end(), more.begin(), more.end());
  for (const Path& path : {source_, replica_, mount_}) words.push_back(path.string());
  return words;
}

void MirrorMount::start(const std::vector<std::string>& more_options) {
  watchdog_ = std::make_unique<Watchdog>(setup_.patience, [this] {
    fmt::print(stderr, "the mount hangs; aborting it. The end of the daemon's log:\n{}\n",
               log_tail());
    abort_connection();
    if (daemon_) daemon_->signal(SIGKILL);
  });
  launch(command(more_options));
  wait_until_it_answers();
}

void MirrorMount::start_and_crash(milliseconds after) {
  launch(command());
  std::this_thread::sleep_for(after);
  crash();
}

void MirrorMount::launch(const std::vector<std::string>& command) {
  const Path output = base() / "output";
  if (!setup_.daemonised) {
    const UniqueFd file = open_file(output, O_WRONLY | O_CREAT | O_APPEND, 0666);
    daemon_ = ChildProcess::start(command, as_user(), file.get(), file.get());
    return;
  }
  const Finished finished = run(command, as_user());
  if (finished.exit_code != 0) {
    throw std::runtime_error("mirrorfs: " + described(finished) + log_tail());
  }
  const auto json = nlohmann::json::parse(status().json);
  daemon_ = ChildProcess::adopt(json.at("pid").get<pid_t>());
}

void MirrorMount::wait_until_it_answers() {
  const bool answers = eventually(
      [this] {
        if (const auto code = daemon_->wait(milliseconds(0))) {
          throw std::runtime_error(fmt::format("mirrorfs ended with {}: {}", *code, log_tail()));
        }
        return mount_at(mount_) && ctl({"status", mount_.string(), "--json"}).exit_code == 0;
      },
      kStartTimeout);
  if (!answers) throw std::runtime_error("the mount does not answer: " + log_tail());
}

bool MirrorMount::daemon_runs() {
  return daemon_ && daemon_->running() && !daemon_->wait(milliseconds(0));
}

void MirrorMount::request_stop(StopBy how) const {
  switch (how) {
    case StopBy::kUmount: check(::umount2(mount_.c_str(), 0), "umount", mount_); return;
    case StopBy::kFusermount:
      run_or_throw({"fusermount3", "-u", mount_.string()}, as_user());
      return;
    case StopBy::kSigterm: daemon_->signal(SIGTERM); return;
    case StopBy::kSigint: daemon_->signal(SIGINT); return;
  }
}

std::optional<int> MirrorMount::wait_until_gone(milliseconds timeout) {
  const auto code = daemon_->wait(timeout);
  if (code) watchdog_.reset();
  return code;
}

void MirrorMount::stop(StopBy how) {
  request_stop(how);
  const auto code = wait_until_gone();
  if (!code) {
    ADD_FAILURE() << "mirrorfs still runs a minute after it was told to stop";
  } else if (*code != 0) {
    ADD_FAILURE() << "mirrorfs ended with " << *code;
  }
  const auto left = mount_at(mount_);
  EXPECT_FALSE(left && left->type.starts_with("fuse")) << "the mount is still there";
}

void MirrorMount::freeze() {
  daemon_->signal(SIGSTOP);
  const Path threads = fmt::format("/proc/{}/task", daemon_->pid());
  const bool stands = eventually([&threads] {
    for (const auto& thread : std::filesystem::directory_iterator(threads)) {
      std::ifstream file(thread.path() / "status");  // none: it has ended meanwhile
      const std::string status(std::istreambuf_iterator<char>(file), {});
      if (status.find("\nState:\tT") == std::string::npos) return false;
    }
    return true;
  });
  if (!stands) throw std::runtime_error("mirrorfs does not stop");
}

void MirrorMount::crash() {
  daemon_->signal(SIGKILL);
  if (!wait_until_gone()) throw std::runtime_error("mirrorfs survives kill -9");
  ::umount2(mount_.c_str(), MNT_DETACH);
}

void MirrorMount::abort_connection() const {
  const auto entry = mount_at(mount_);
  if (!entry || !entry->type.starts_with("fuse")) return;
  std::ofstream(fmt::format("/sys/fs/fuse/connections/{}/abort", entry->device_minor)) << "1";
}

Finished MirrorMount::ctl(const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = {mirrorctl_.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run(words, as_user());
}

Status MirrorMount::status() const {
  const Finished finished = ctl({"status", mount_.string(), "--json"});
  if (finished.exit_code != 0) throw std::runtime_error("mirrorctl status: " + described(finished));
  const auto json = nlohmann::json::parse(finished.out);
  Status status;
  status.json = finished.out;
  status.state = json.at("state");
  status.last_error = json.at("last_error");
  status.queued_ops = json.at("queued_ops");
  status.queued_bytes = json.at("queued_bytes");
  status.marks = json.at("marks");
  status.errors_total = json.at("errors_total");
  status.baseline_running = status.state == "baseline";
  return status;
}

void MirrorMount::pause() const {
  const Finished finished = ctl({"pause", mount_.string()});
  if (finished.exit_code != 0) throw std::runtime_error("mirrorctl pause: " + described(finished));
}

void MirrorMount::resume() const {
  const Finished finished = ctl({"resume", mount_.string()});
  if (finished.exit_code != 0) throw std::runtime_error("mirrorctl resume: " + described(finished));
}

void MirrorMount::wait() const {
  const Finished finished = ctl({"wait", mount_.string(), "--timeout=50"});
  if (finished.exit_code == 0) return;
  throw std::runtime_error("mirrorctl wait: " + described(finished) + status().json);
}

testing::AssertionResult MirrorMount::identical() const {
  const Finished waited = ctl({"wait", mount_.string(), "--timeout=50"});
  if (waited.exit_code != 0) {
    return testing::AssertionFailure() << "mirrorctl wait: " << described(waited) << status().json;
  }
  // First, as the comparison by mirrorctl may itself change something.
  if (auto equal = trees_equal(); !equal) return equal << status().json;
  const Finished verified = ctl({"verify", mount_.string(), "--full"});
  if (verified.exit_code != 0) {
    return testing::AssertionFailure() << "mirrorctl verify --full: " << described(verified);
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult MirrorMount::trees_equal() const {
  try {
    const std::string text = compare_trees(source_view_, replica_);
    if (text.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << text;
  } catch (const std::system_error& problem) {
    return testing::AssertionFailure()
           << "a tree changed during the comparison: " << problem.what();
  }
}

testing::AssertionResult MirrorMount::mount_shows_source() const {
  const std::string text = compare_trees(mount_, source_view_);
  if (text.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text;
}

testing::AssertionResult MirrorMount::rsync_finds_nothing() const {
  const Finished finished =
      run({"rsync", "-aHAXn", "--checksum", "--delete", "--itemize-changes",
           "--filter=-x trusted.SGI_ACL_*", source_view_.string() + "/", replica_.string() + "/"});
  std::string unexpected;
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(".mirrorfs") == std::string::npos) unexpected += line + "\n";
  }
  if (finished.exit_code == 0 && unexpected.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "rsync (" << finished.exit_code << "): " << unexpected << finished.err;
}

std::string MirrorMount::log_tail() const {
  return tail_of(base() / "output") + tail_of(base() / "log");
}

void MirrorMount::clean_up() noexcept {
  abort_connection();
  daemon_.reset();
  ::umount2(mount_.c_str(), MNT_DETACH);
  watchdog_.reset();
}

}  // namespace mirrorfs::test
