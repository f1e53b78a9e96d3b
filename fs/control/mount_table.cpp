#include "fs/control/mount_table.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <ranges>
#include <vector>

namespace mirrorfs::control {
namespace {

/// Space, tab, newline and backslash stand as \ooo in mountinfo.
std::string unescape(std::string_view text) {
  const auto is_octal = [](char character) { return character >= '0' && character <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(std::min(i + 1, text.size()), 3);
    if (text[i] == '\\' && digits.size() == 3 && std::ranges::all_of(digits, is_octal)) {
      const int code = (digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0');
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (const auto part : std::views::split(text, separator)) {
    parts.emplace_back(part.begin(), part.end());
  }
  return parts;
}

uid_t owner_in(std::string_view super_options) {
  constexpr std::string_view kKey = "user_id=";
  for (const std::string_view option : split(super_options, ',')) {
    if (!option.starts_with(kKey)) continue;
    uid_t owner = 0;
    std::from_chars(option.data() + kKey.size(), option.data() + option.size(), owner);
    return owner;
  }
  return 0;
}

/// 36 35 98:0 /root /mount/point rw,noatime master:1 - type source super,options
std::optional<MountEntry> parse_line(std::string_view line) {
  const auto fields = split(line, ' ');
  const auto dash = std::ranges::find(fields, "-");
  if (fields.size() < 10 || fields.end() - dash < 4) return std::nullopt;
  return MountEntry{unescape(fields[4]), unescape(dash[1]), unescape(dash[2]), owner_in(dash[3])};
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::optional<MountEntry> find_mount_in(std::string_view mountinfo, std::string_view mount_point) {
  std::optional<MountEntry> topmost;
  for (const std::string_view line : split(mountinfo, '\n')) {
    if (auto entry = parse_line(line); entry && entry->mount_point == mount_point) {
      topmost = std::move(entry);
    }
  }
  return topmost;
}

std::optional<MountEntry> mount_holding(std::string_view mountinfo,
                                        const std::filesystem::path& path) {
  for (std::filesystem::path at = path;; at = at.parent_path()) {
    if (auto entry = find_mount_in(mountinfo, at.native())) return entry;
    if (!at.has_relative_path()) return std::nullopt;
  }
}

std::vector<MountEntry> mirrors_in(std::string_view mountinfo) {
  std::vector<MountEntry> mirrors;
  for (const std::string_view line : split(mountinfo, '\n')) {
    if (auto entry = parse_line(line); entry && entry->is_mirrorfs()) {
      mirrors.push_back(std::move(*entry));
    }
  }
  return mirrors;
}

std::string mountinfo_of(pid_t process) {
  return content_of("/proc/" + std::to_string(process) + "/mountinfo");
}

std::string own_mountinfo() { return content_of("/proc/self/mountinfo"); }

std::optional<MountEntry> find_mount(std::string_view mount_point) {
  return find_mount_in(own_mountinfo(), mount_point);
}

}  // namespace mirrorfs::control
