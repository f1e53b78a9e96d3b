#include <algorithm>

#include "fs/daemon/daemon.h"
#include "fs/daemon/mount_options.h"

namespace mirrorfs {

std::vector<std::string> fuse_options_for(const DaemonOptions& options, bool is_root) {
  std::vector<std::string> result;
  const auto add = [&result](const std::string& option) {
    if (std::ranges::find(result, option) == result.end()) result.push_back(option);
  };
  const auto given = [&options](std::string_view prefix) {
    return std::ranges::any_of(options.fuse_options,
                               [prefix](const auto& option) { return option.starts_with(prefix); });
  };
  for (const std::string& option : options.fuse_options) {
    if (option == "allow_other" && options.allow_other_off) continue;
    add(escape_option(option));
  }
  // The kernel checks permissions with the attributes that the source reports; the daemon, when
  // root, could not know whom to refuse (mount.fuse3(8)).
  add("default_permissions");
  // Root mounts for everyone, as with any other filesystem. libfuse refuses it next to allow_root.
  if (is_root && !options.allow_other_off && !given("allow_root")) add("allow_other");
  if (!given("fsname=")) add(escape_option("fsname=" + options.mirror.source.native()));
  if (!given("subtype=")) add("subtype=mirrorfs");
  return result;
}

}  // namespace mirrorfs
