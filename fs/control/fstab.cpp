#include "fs/control/fstab.h"

#include <mntent.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace mirrorfs::control {
namespace {

const char* path_of_fstab() {
  const char* const other = std::getenv("LIBMOUNT_FSTAB");
  return other != nullptr ? other : "/etc/fstab";
}

/// The value of the option, up to a comma that is neither escaped nor within quotes.
std::string value_of(const mntent& line, const char* option) {
  const char* at = hasmntopt(&line, option);
  if (at == nullptr) return {};
  std::string value;
  bool quoted = false;
  const std::string_view rest(at + std::string_view(option).size());
  if (!rest.starts_with('=')) return {};
  for (std::size_t i = 1; i < rest.size() && (quoted || rest[i] != ','); ++i) {
    if (rest[i] == '"') {
      quoted = !quoted;
    } else if (rest[i] == '\\' && i + 1 < rest.size()) {
      value += rest[++i];
    } else {
      value += rest[i];
    }
  }
  return value;
}

bool is_mirror(const mntent& line) {
  const std::string_view type(line.mnt_type);
  return type == "mirrorfs" || type == "fuse.mirrorfs";
}

bool is_expected(const mntent& line) {
  return hasmntopt(&line, "noauto") == nullptr &&
         hasmntopt(&line, "x-systemd.automount") == nullptr;
}

}  // namespace

std::vector<FstabLine> mirrors_in_fstab() {
  std::vector<FstabLine> lines;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(setmntent(path_of_fstab(), "re"),
                                                             endmntent);
  if (!file) return lines;
  mntent line{};
  std::array<char, 16384> text{};
  while (getmntent_r(file.get(), &line, text.data(), text.size()) != nullptr) {
    if (!is_mirror(line) || !is_expected(line)) continue;
    lines.push_back({line.mnt_fsname, line.mnt_dir, value_of(line, "dst")});
  }
  return lines;
}

}  // namespace mirrorfs::control
