#include "fs/daemon/open_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <system_error>

namespace mirrorfs {
namespace {

namespace stdfs = std::filesystem;

bool lies_below(std::string_view path, std::string_view directory) {
  if (!path.starts_with(directory)) return false;
  return path.size() == directory.size() || path[directory.size()] == '/' || directory == "/";
}

/// "flags:\t0100002" (proc(5)): octal, as open(2) was given them.
bool is_for_writing(const stdfs::path& fdinfo) {
  std::ifstream file(fdinfo);
  for (std::string word; file >> word;) {
    if (word != "flags:") continue;
    std::string flags;
    file >> flags;
    const unsigned long value = std::strtoul(flags.c_str(), nullptr, 8);
    return (value & O_PATH) == 0 && (value & O_ACCMODE) != O_RDONLY;
  }
  return false;
}

/// The first file that the process has open for writing there; empty: none.
std::string open_file(const stdfs::path& process, const std::string& directory) {
  std::error_code error;
  for (stdfs::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    const stdfs::path target = stdfs::read_symlink(at->path(), gone);
    if (gone || !lies_below(target.native(), directory)) continue;
    if (is_for_writing(process / "fdinfo" / at->path().filename())) return target.native();
  }
  return {};
}

/// "7f…-7f… rw-s 00000000 08:01 123   /path": shared and writable.
std::string mapped_file(const stdfs::path& process, const std::string& directory) {
  std::ifstream file(process / "maps");
  for (std::string line; std::getline(file, line);) {
    const std::size_t slash = line.find('/');
    const std::size_t rights = line.find(' ') + 1;
    if (slash == std::string::npos || rights + 4 > line.size()) continue;
    if (line[rights + 1] != 'w' || line[rights + 3] != 's') continue;
    if (lies_below(std::string_view(line).substr(slash), directory)) return line.substr(slash);
  }
  return {};
}

std::string line_for(const stdfs::path& process, const std::string& directory) {
  const auto describe = [&process](const std::string& path, const char* how) {
    std::ifstream comm(process / "comm");
    std::string name;
    std::getline(comm, name);
    return fmt::format(
        "process {} ({}) {} '{}' since before the mount: what it writes there is not "
        "mirrored; restart it",
        process.filename().native(), name, how, path);
  };
  if (const std::string path = open_file(process, directory); !path.empty()) {
    return describe(path, "has open for writing");
  }
  if (const std::string path = mapped_file(process, directory); !path.empty()) {
    return describe(path, "has mapped for writing");
  }
  std::error_code error;
  const stdfs::path place = stdfs::read_symlink(process / "cwd", error);
  if (!error && lies_below(place.native(), directory)) return describe(place.native(), "works in");
  return {};
}

}  // namespace

std::vector<std::string> writers_below(const stdfs::path& directory) {
  std::vector<std::string> lines;
  const std::string own = std::to_string(getpid());
  std::error_code error;
  for (stdfs::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().native();
    if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (name == own) continue;
    std::string line = line_for(at->path(), directory.native());
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace mirrorfs
