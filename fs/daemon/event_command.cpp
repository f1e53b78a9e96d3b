#include "fs/daemon/event_command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "mirrorfs/log.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;

/// Between two looks at whether the end has come while a command runs.
constexpr std::chrono::milliseconds kLook = 100ms;
/// How long a killed one may take to end.
constexpr auto kDeath = 2s;

/// posix_spawn(3)'s two objects, with what every command gets.
class SpawnRules {
 public:
  SpawnRules() {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawn_file_actions_addchdir_np(&files, "/");
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  ~SpawnRules() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
  }
  SpawnRules(const SpawnRules&) = delete;
  SpawnRules& operator=(const SpawnRules&) = delete;

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

/// The daemon's own but for what the service manager tells the daemon alone, and the event's.
std::vector<std::string> environment_with(const EventFacts& facts) {
  std::vector<std::string> result;
  const auto is_ours = [](std::string_view variable) {
    return variable.starts_with("MIRRORFS_") || variable.starts_with("NOTIFY_SOCKET=") ||
           variable.starts_with("WATCHDOG_");
  };
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (!is_ours(*variable)) result.emplace_back(*variable);
  }
  for (const auto& [name, value] : facts) {
    result.push_back(name + "=" + value.substr(0, value.find('\0')));
  }
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

UniqueFd descriptor_of(pid_t child) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
}

/// Until the child has ended, at most for kLook.
void wait_a_moment(const UniqueFd& child) {
  pollfd waiting{child.get(), POLLIN, 0};
  poll(&waiting, 1, static_cast<int>(kLook.count()));
}

void tell_outcome(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFEXITED(status)) {
    log_repeating(LogLevel::kWarn, "on-event exits",
                  fmt::format("on-event: the command ended with {}", WEXITSTATUS(status)));
  } else {
    log_repeating(LogLevel::kWarn, "on-event killed",
                  fmt::format("on-event: the command was killed by signal {}", WTERMSIG(status)));
  }
}

}  // namespace

EventCommand::EventCommand(std::string command, Limits limits)
    : command_(std::move(command)), limits_(limits), thread_([this] { loop(); }) {}

/// Drops the oldest; the next one tells how many.
void EventCommand::keep_last(std::size_t most) {
  while (waiting_.size() > most) {
    const std::uint64_t left_out = waiting_.front().left_out + 1;
    waiting_.pop_front();
    if (!waiting_.empty()) waiting_.front().left_out += left_out;
  }
}

void EventCommand::report(EventFacts facts) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    waiting_.push_back({std::move(facts), 0});
    keep_last(limits_.most_waiting);
  }
  changed_.notify_all();
}

void EventCommand::finish() {
  {
    const std::lock_guard lock(mutex_);
    if (!ending_) end_by_ = Clock::now() + limits_.all_at_end;
    ending_ = true;
    keep_last(kAtEnd);
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool EventCommand::next(Event& event) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
  if (waiting_.empty()) return false;
  event = std::move(waiting_.front());
  waiting_.pop_front();
  return true;
}

void EventCommand::loop() {
  for (Event event; next(event);) run(event);
}

void EventCommand::run(const Event& event) {
  reap_abandoned();
  const pid_t child = start(event);
  if (child > 0) wait_for(child, Clock::now());
}

pid_t EventCommand::start(const Event& event) const {
  const SpawnRules rules;
  EventFacts facts = event.facts;
  facts.emplace_back("MIRRORFS_EVENTS_LEFT_OUT", std::to_string(event.left_out));
  std::vector<std::string> environment = environment_with(facts);
  std::vector<std::string> words = {"sh", "-c", command_};
  pid_t child = -1;
  const int code = posix_spawn(&child, "/bin/sh", &rules.files, &rules.attributes,
                               pointers_to(words).data(), pointers_to(environment).data());
  if (code == 0) return child;
  log_repeating(LogLevel::kError, "on-event",
                fmt::format("on-event: the command cannot be run: {}", std::strerror(code)));
  return -1;
}

std::chrono::milliseconds EventCommand::limit() {
  const std::lock_guard lock(mutex_);
  if (!ending_) return limits_.each;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_by_ - Clock::now());
  return std::clamp(left, 0ms, limits_.at_end);
}

void EventCommand::wait_for(pid_t child, Clock::time_point began) {
  const UniqueFd handle = descriptor_of(child);
  auto give_up = Clock::time_point::max();
  int status = 0;
  // Polled, as the limit shrinks when the daemon ends; few commands take as long as one look.
  for (pid_t ended = 0; ended == 0; ended = waitpid(child, &status, WNOHANG)) {
    wait_a_moment(handle);
    if (Clock::now() >= give_up) {
      log_error("on-event: the command was killed and does not end");
      return abandoned_.push_back(child);
    }
    const auto longest = limit();
    if (give_up != Clock::time_point::max() || Clock::now() - began < longest) continue;
    log_warn("on-event: the command runs for more than {} s and is killed",
             std::chrono::duration<double>(longest).count());
    kill(-child, SIGKILL);
    give_up = Clock::now() + kDeath;
  }
  tell_outcome(status);
}

void EventCommand::reap_abandoned() {
  std::erase_if(abandoned_, [](pid_t child) { return waitpid(child, nullptr, WNOHANG) != 0; });
}

}  // namespace mirrorfs
