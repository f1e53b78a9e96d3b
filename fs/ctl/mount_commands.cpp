#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"
#include "fs/ctl/mapped_pages.h"
#include "mirrorfs/printable.h"

namespace mirrorfs::ctl {

int complain(const std::string& line) {
  std::fprintf(stderr, "mirrorctl: %s\n", printable(line).c_str());
  return kExitFailed;
}

namespace {

/// By names alone: a look at the mount might hang.
std::optional<std::string> path_in(const std::filesystem::path& mount,
                                   const std::filesystem::path& path) {
  std::filesystem::path relative = path.lexically_normal();
  if (path.is_absolute()) {
    const auto root = std::filesystem::absolute(mount).lexically_normal();
    relative = relative.lexically_relative(root.has_filename() ? root : root.parent_path());
  }
  if (relative.empty() || *relative.begin() == "..") return std::nullopt;
  return relative.native();
}

}  // namespace

int run_wait(const Arguments& arguments) {
  std::vector<std::string> paths;
  for (const auto& path : std::span(arguments.paths).subspan(1)) {
    auto inside = path_in(arguments.paths[0], path);
    if (!inside) {
      return complain(fmt::format("'{}' is not in '{}': a PATH is absolute, or relative to MNT",
                                  path.native(), arguments.paths[0].native()));
    }
    paths.push_back(std::move(*inside));
  }
  write_back_mapped_pages(arguments.paths[0]);
  const auto done = wait_until_durable(arguments.paths[0], paths, arguments.timeout);
  if (!done) return complain(done.error());
  if (*done == Waited::kDone) return kExitYes;
  if (*done == Waited::kPaused) {
    complain(
        fmt::format("'{}': paused, so the replica does not get what it lacks; go on with: "
                    "mirrorctl resume '{}'",
                    arguments.paths[0].native(), arguments.paths[0].native()));
  } else {
    complain(
        fmt::format("'{}': the replica does not have everything yet", arguments.paths[0].native()));
  }
  return kExitNo;
}

int run_pause(const Arguments& arguments) {
  const auto stands_still = pause(arguments.paths[0]);
  if (!stands_still) return complain(stands_still.error());
  if (*stands_still) return kExitYes;
  complain(fmt::format("'{}': paused, but what was under way has not ended yet",
                       arguments.paths[0].native()));
  return kExitNo;
}

int run_resume(const Arguments& arguments) {
  const auto resumed = resume(arguments.paths[0]);
  return resumed ? int{kExitYes} : complain(resumed.error());
}

}  // namespace mirrorfs::ctl
