#include "fs/daemon/mount_options.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mirrorfs {
namespace {

/// Flags that libfuse 3.17+ takes for mount(2), and its own (lib/mount.c, mount.fuse3(8)).
constexpr std::array<std::string_view, 26> kPassedOnFlags = {
    "ro",          "rw",          "suid",        "nosuid",        "dev",
    "nodev",       "exec",        "noexec",      "sync",          "async",
    "dirsync",     "atime",       "noatime",     "diratime",      "nodiratime",
    "relatime",    "norelatime",  "strictatime", "nostrictatime", "symfollow",
    "nosymfollow", "allow_other", "allow_root",  "auto_unmount",  "default_permissions",
    "debug",
};

constexpr std::array<std::string_view, 7> kPassedOnWithValue = {
    "fsname=", "subtype=", "max_read=", "context=", "fscontext=", "defcontext=", "rootcontext=",
};

/// Words of mount(8) and fstab(5) that may reach a mount helper.
constexpr std::array<std::string_view, 20> kDroppedFlags = {
    "defaults", "auto",     "noauto",     "nofail", "_netdev",  "_rnetdev",   "user",
    "users",    "nouser",   "owner",      "group",  "lazytime", "nolazytime", "silent",
    "loud",     "iversion", "noiversion", "mand",   "nomand",   "quiet",
};

constexpr std::array<std::string_view, 6> kDroppedPrefixes = {
    "x-", "X-", "comment=", "uhelper=", "helper=", "user="};

}  // namespace

std::vector<std::string> split_option_list(std::string_view list) {
  std::vector<std::string> options;
  std::string current;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && i + 1 < list.size()) {
      current += list[++i];
    } else if (list[i] == ',') {
      options.push_back(std::exchange(current, {}));
    } else {
      current += list[i];
    }
  }
  options.push_back(std::move(current));
  std::erase(options, std::string());
  return options;
}

std::string escape_option(std::string_view option) {
  std::string escaped;
  for (const char character : option) {
    if (character == ',' || character == '\\') escaped += '\\';
    escaped += character;
  }
  return escaped;
}

MountOptionKind classify_mount_option(std::string_view option) {
  const auto equals = [option](std::string_view word) { return option == word; };
  const auto begins = [option](std::string_view prefix) { return option.starts_with(prefix); };
  if (std::ranges::any_of(kPassedOnFlags, equals)) return MountOptionKind::kPassedOn;
  if (std::ranges::any_of(kPassedOnWithValue, begins)) return MountOptionKind::kPassedOn;
  if (std::ranges::any_of(kDroppedFlags, equals)) return MountOptionKind::kDropped;
  if (std::ranges::any_of(kDroppedPrefixes, begins)) return MountOptionKind::kDropped;
  return MountOptionKind::kUnknown;
}

}  // namespace mirrorfs
