#include "fs/handlers/credentials.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <sstream>
#include <string>

#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

bool set_fsgid(gid_t gid) {
  ::syscall(SYS_setfsgid, gid);
  return static_cast<gid_t>(::syscall(SYS_setfsgid, static_cast<gid_t>(-1))) == gid;
}

bool set_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

/// What follows `key` on its line.
std::optional<std::string_view> value_of(std::string_view status, std::string_view key) {
  while (!status.starts_with(key)) {
    const std::size_t end = status.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    status.remove_prefix(end + 1);
  }
  status.remove_prefix(key.size());
  return status.substr(0, status.find('\n'));
}

}  // namespace

// setfsuid(2) never fails visibly; asking with an impossible id tells what is set.
bool set_thread_fsuid(uid_t uid) {
  ::syscall(SYS_setfsuid, uid);
  return static_cast<uid_t>(::syscall(SYS_setfsuid, static_cast<uid_t>(-1))) == uid;
}

void restore_or_abort(bool restored) {
  if (restored) return;
  log_error("cannot take back the daemon's own credentials; giving up");
  std::abort();
}

std::optional<std::vector<gid_t>> parse_groups(std::string_view status) {
  const auto value = value_of(status, "Groups:");
  if (!value) return std::nullopt;
  const char* at = value->data();
  const char* const end = at + value->size();
  std::vector<gid_t> groups;
  while (at < end) {
    gid_t group = 0;
    const auto [next, error] = std::from_chars(at, end, group);
    if (error == std::errc{}) {
      groups.push_back(group);
      at = next;
    } else {
      ++at;
    }
  }
  return groups;
}

namespace {

std::optional<std::uint64_t> parse_set(std::string_view status, std::string_view key) {
  auto value = value_of(status, key);
  if (!value) return std::nullopt;
  value->remove_prefix(std::min(value->find_first_not_of(" \t"), value->size()));
  std::uint64_t set = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), set, 16);
  if (error != std::errc{}) return std::nullopt;
  return set;
}

}  // namespace

std::optional<std::uint64_t> parse_capabilities(std::string_view status) {
  return parse_set(status, "CapEff:");
}

bool is_mapped(std::string_view map, std::uint32_t id) {
  std::istringstream lines{std::string(map)};
  for (std::uint64_t inside = 0, outside = 0, count = 0; lines >> inside >> outside >> count;) {
    if (id >= outside && id - outside < count) return true;
  }
  return false;
}

bool parse_killed(std::string_view status) {
  constexpr std::uint64_t kKill = 1ULL << (SIGKILL - 1);
  const std::uint64_t pending =
      parse_set(status, "SigPnd:").value_or(0) | parse_set(status, "ShdPnd:").value_or(0);
  return (pending & kKill) != 0;
}

bool Credentials::is_killed(const Caller& caller) const {
  const auto status = status_of(caller);
  return status && parse_killed(*status);
}

bool Credentials::Capabilities::has(unsigned capability) const {
  return (sets[capability / 32].effective & (1U << (capability % 32))) != 0;
}

void Credentials::Capabilities::drop(unsigned capability) {
  sets[capability / 32].effective &= ~(1U << (capability % 32));
}

bool Credentials::Capabilities::apply() const {
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return ::syscall(SYS_capset, &head, sets.data()) == 0;
}

Result<Credentials> Credentials::open() {
  Credentials own;
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  if (::syscall(SYS_capget, &head, own.own_.sets.data()) != 0) return fail_errno("capget");
  own.usual_ = own.own_;
  own.usual_.drop(CAP_SYS_RESOURCE);
  own.without_fsetid_ = own.usual_;
  own.without_fsetid_.drop(CAP_FSETID);
  own.has_fsetid_ = own.own_.has(CAP_FSETID);
  own.can_switch_ = ::geteuid() == 0 && own.own_.has(CAP_SETUID) && own.own_.has(CAP_SETGID);
  own.own_gid_ = ::getegid();
  const int count = ::getgroups(0, nullptr);
  own.own_groups_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count > 0 && ::getgroups(count, own.own_groups_.data()) < 0) return fail_errno("getgroups");
  own.proc_ = UniqueFd(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!own.proc_) return fail_errno("open", "/proc");
  own.user_namespace_ = own.user_namespace_of("self");
  return own;
}

std::optional<std::string> Credentials::text_of(const Caller& caller, const char* file_name) const {
  if (caller.pid <= 0) return std::nullopt;
  const std::string name = std::to_string(caller.pid) + file_name;
  const UniqueFd file(::openat(proc_.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text;
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(file.get(), piece, sizeof piece)) > 0;) {
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

std::string Credentials::user_namespace_of(const std::string& process) const {
  char name[64];
  const ssize_t size = ::readlinkat(proc_.get(), (process + "/ns/user").c_str(), name, sizeof name);
  return size < 0 ? std::string() : std::string(name, static_cast<std::size_t>(size));
}

std::vector<gid_t> Credentials::groups_of(const Caller& caller) const {
  const auto groups = status_of(caller).and_then(parse_groups);
  return groups.value_or(std::vector<gid_t>{caller.gid});
}

std::vector<gid_t> Credentials::groups_over(const Caller& caller, int fd, gid_t new_group) const {
  const auto status = status_of(caller);
  const auto groups = status.and_then(parse_groups).value_or(std::vector<gid_t>{caller.gid});
  const auto capabilities = status.and_then(parse_capabilities);
  if (!capabilities || ((*capabilities >> CAP_FSETID) & 1) == 0) return groups;
  struct stat object{};
  if (::fstat(fd, &object) != 0) return groups;
  const auto users = text_of(caller, "/uid_map"), group_map = text_of(caller, "/gid_map");
  const bool has_names = users && group_map && is_mapped(*users, object.st_uid) &&
                         is_mapped(*group_map, object.st_gid);
  if (!has_names) return groups;
  // Not added to the caller's: those may be as many as there can be (NGROUPS_MAX).
  if (new_group == static_cast<gid_t>(-1)) return {object.st_gid};
  return {object.st_gid, new_group};
}

bool Credentials::may_keep_set_id(const Caller& caller) const {
  const auto capabilities = status_of(caller).and_then(parse_capabilities);
  if (!capabilities) return caller.uid == 0;
  // What a process may do in a user namespace of its own is nothing to this filesystem.
  return ((*capabilities >> CAP_FSETID) & 1) != 0 &&
         user_namespace_of(std::to_string(caller.pid)) == user_namespace_;
}

AsCaller::AsCaller(const Credentials& own, const Caller& caller) : own_(own) {
  if (!own.can_switch() || (caller.uid == 0 && caller.gid == own.own_gid_)) return;
  switched_ = true;
  // Leaving uid 0 takes the file capabilities from the effective set (capabilities(7)); they are
  // still permitted.
  ok_ = set_fsgid(caller.gid) && set_thread_fsuid(caller.uid) && own.usual_.apply();
}

AsCaller::~AsCaller() {
  if (!switched_) return;
  restore_or_abort(set_thread_fsuid(0) && set_fsgid(own_.own_gid_) && own_.usual_.apply());
}

WithoutFsetid::WithoutFsetid(const Credentials& own, bool wanted)
    : own_(own), dropped_(wanted && own.has_fsetid_) {
  if (dropped_) restore_or_abort(own.without_fsetid_.apply());
}

WithoutFsetid::~WithoutFsetid() {
  if (dropped_) restore_or_abort(own_.usual_.apply());
}

InGroupsOf::InGroupsOf(const Credentials& own, const Caller& caller, int fd, bool wanted,
                       gid_t new_group)
    : own_(own),
      switched_(wanted && own.can_switch() && !own.may_keep_set_id(caller)),
      fsetid_(own, switched_) {
  if (!switched_) return;
  restore_or_abort(set_fsgid(caller.gid) && set_groups(own.groups_over(caller, fd, new_group)));
}

InGroupsOf::~InGroupsOf() {
  if (!switched_) return;
  restore_or_abort(set_groups(own_.own_groups_) && set_fsgid(own_.own_gid_));
}

}  // namespace mirrorfs::fs
