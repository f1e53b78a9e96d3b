#include "engine/journal/inner_mounts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/stat.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>

namespace mirrorfs::journal {
namespace {

struct Line {
  long id = 0, parent = 0;
  std::string device, root, place;
};

/// mountinfo writes blanks, tabs, newlines and backslashes as \OOO.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escaped = text[at] == '\\' && at + 3 < text.size();
    if (!escaped) {
      plain += text[at];
      continue;
    }
    plain += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 +
                               (text[at + 3] - '0'));
    at += 3;
  }
  return plain;
}

std::vector<Line> lines_of(std::string_view mountinfo) {
  std::vector<Line> lines;
  std::istringstream text{std::string(mountinfo)};
  for (std::string each; std::getline(text, each);) {
    std::istringstream words(each);
    Line line;
    if (!(words >> line.id >> line.parent >> line.device >> line.root >> line.place)) continue;
    line.root = unescaped(line.root);
    line.place = unescaped(line.place);
    lines.push_back(std::move(line));
  }
  return lines;
}

/// `path` relative to `above`; nothing if it does not lie below, "" if they are the same.
std::optional<std::string> relative(std::string_view path, std::string_view above) {
  if (above == "/") above = "";
  if (path == "/") path = "";
  if (!path.starts_with(above)) return std::nullopt;
  path.remove_prefix(above.size());
  if (path.empty()) return std::string();
  if (path.front() != '/') return std::nullopt;
  return std::string(path.substr(1));
}

std::string joined(const std::string& above, const std::string& below) {
  if (above.empty() || below.empty()) return above + below;
  return above + "/" + below;
}

}  // namespace

std::vector<InnerMount> inner_mounts_in(std::string_view mountinfo, long mount_id,
                                        std::string_view tree) {
  std::vector<InnerMount> mounts;
  const std::vector<Line> lines = lines_of(mountinfo);
  const auto own = std::ranges::find(lines, mount_id, &Line::id);
  if (own == lines.end()) return mounts;
  const std::string within = relative(tree, own->place).value_or("");
  mounts.push_back({"", own->device, own->root == "/" ? "/" + within : joined(own->root, within)});
  std::set<long> shown{mount_id};
  for (bool more = true; more;) {
    more = false;
    for (const Line& line : lines) {
      if (!shown.contains(line.parent) || shown.contains(line.id)) continue;
      auto path = relative(line.place, tree);
      if (!path || path->empty()) continue;
      shown.insert(line.id);
      more = true;
      mounts.push_back({std::move(*path), line.device, line.root});
    }
  }
  std::ranges::sort(mounts, {}, &InnerMount::path);
  return mounts;
}

std::vector<InnerMount> inner_mounts(const TreeRoot& tree) {
  struct statx raw{};
  if (::statx(tree.fd.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &raw) != 0) return {};
  std::ifstream file("/proc/self/mountinfo");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  return inner_mounts_in(text, static_cast<long>(raw.stx_mnt_id), tree.path.native());
}

StartUp<void> refuse_met_twice(const std::vector<InnerMount>& mounts, const TreeRoot& tree) {
  for (const InnerMount& outer : mounts) {
    for (const InnerMount& inner : mounts) {
      if (&outer == &inner || outer.device != inner.device) continue;
      const auto within = relative(inner.root, outer.root);
      if (!within) continue;
      const std::string again = joined(outer.path, *within);
      if (again == inner.path) continue;  // mounted over itself: one place
      const std::string base = tree.path.string();
      return std::unexpected(fmt::format(
          "'{}/{}' and '{}' are the same directory, mounted twice: mirroring would meet it at two "
          "places; unmount one of them, or give --one-file-system",
          base, inner.path, again.empty() ? base : base + "/" + again));
    }
  }
  return {};
}

}  // namespace mirrorfs::journal
