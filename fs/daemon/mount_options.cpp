#include "fs/daemon/mount_options.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mirrorfs {
namespace {

/// Flags that libfuse 3.17+ takes for mount(2), and its own (lib/mount.c, mount.fuse3(8)).
constexpr std::array kPassedOnFlags = std::to_array<std::string_view>({
    "ro",         "rw",        "suid",        "nosuid",      "dev",        "nodev",
    "exec",       "noexec",    "sync",        "async",       "dirsync",    "noatime",
    "nodiratime", "symfollow", "nosymfollow", "allow_other", "allow_root", "default_permissions",
    "debug",
});

constexpr std::array kPassedOnWithValue = std::to_array<std::string_view>({
    "fsname=",
    "subtype=",
    "context=",
    "fscontext=",
    "defcontext=",
    "rootcontext=",
});

/// Words of mount(8) and fstab(5) that may reach a mount helper, and those for what is so anyway:
/// the times of access are kept by the filesystem of SRC, which the daemon reads.
constexpr std::array kDroppedFlags = std::to_array<std::string_view>({
    "defaults", "auto",       "noauto", "nofail",   "_netdev",  "_rnetdev",      "user",
    "users",    "nouser",     "owner",  "group",    "silent",   "loud",          "nolazytime",
    "nomand",   "noiversion", "atime",  "diratime", "relatime", "nostrictatime",
});

struct Refusal {
  std::string_view option;  ///< with = at its end: with any value
  std::string_view why;
};

constexpr std::string_view kOfSource =
    "has no effect here: times of access are kept by the filesystem of SRC; mount that one with it";

constexpr std::array kRefusals = {
    Refusal{"auto_unmount",
            "not supported: the dead mount of a daemon that was killed is removed by the unit "
            "mirrorfs@.service, or with umount -l"},
    Refusal{"max_read=", "not supported: the kernel and mirrorfs agree on the size of reads"},
    Refusal{"strictatime", kOfSource},
    Refusal{"norelatime", kOfSource},
    Refusal{"lazytime", kOfSource},
    Refusal{"iversion", "has no effect on a mirrorfs mount; leave it out"},
    Refusal{"mand", "has no effect: Linux has no mandatory locks since 5.15; leave it out"},
    Refusal{"quiet", "has no effect on a mirrorfs mount; leave it out"},
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
  return why_refused(option).empty() ? MountOptionKind::kUnknown : MountOptionKind::kRefused;
}

std::string_view why_refused(std::string_view option) {
  const auto is_it = [option](const Refusal& refusal) {
    return refusal.option.ends_with('=') ? option.starts_with(refusal.option)
                                         : option == refusal.option;
  };
  const auto found = std::ranges::find_if(kRefusals, is_it);
  return found == kRefusals.end() ? std::string_view() : found->why;
}

}  // namespace mirrorfs
