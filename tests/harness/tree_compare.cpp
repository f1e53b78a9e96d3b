#include "tree_compare.h"

#include <dirent.h>
#include <fmt/core.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <utility>

namespace mirrorfs::test {
namespace {

constexpr std::string_view kReserved = ".mirrorfs";

std::string type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFBLK: return "block device";
    case S_IFCHR: return "character device";
    default: return "?";
  }
}

std::string digest_of(const Path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  std::string block(1 << 20, '\0');
  std::size_t digest = 0;
  while (const auto got = check(::read(fd.get(), block.data(), block.size()), "read", path)) {
    const std::string_view bytes(block.data(), static_cast<std::size_t>(got));
    digest = digest * 1099511628211ULL + std::hash<std::string_view>{}(bytes);
  }
  return fmt::format("{:016x}", digest);
}

std::string readable(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const bool plain = byte >= ' ' && byte <= '~';
    text +=
        plain ? std::string(1, byte) : fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

void add_xattrs(const Path& path, Facts& facts) {
  std::string names(65536, '\0');
  const auto size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return;
  names.resize(static_cast<std::size_t>(check(size, "listxattr", path)));
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (name.starts_with("trusted.SGI_ACL_")) continue;  // XFS's own form of an ACL
    std::string value(65536, '\0');
    const auto got = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    value.resize(static_cast<std::size_t>(check(got, "getxattr", path)));
    facts["xattr " + name] = readable(value);
  }
}

std::string target_of(const Path& path) {
  std::string target(4096, '\0');
  const auto size = ::readlink(path.c_str(), target.data(), target.size());
  target.resize(static_cast<std::size_t>(check(size, "readlink", path)));
  return readable(target);
}

class Walk {
 public:
  explicit Walk(Path root) : root_(std::move(root)) {}

  Snapshot take() {
    visit(".");
    for (const auto& [inode, names] : linked_) {
      for (const std::string& name : names) found_[name]["linked with"] = all_of(names);
    }
    return std::move(found_);
  }

 private:
  static std::string all_of(const std::vector<std::string>& names) {
    std::string all;
    std::map<std::string, bool> sorted;
    for (const std::string& name : names) sorted[name] = true;
    for (const auto& [name, unused] : sorted) all += (all.empty() ? "" : ", ") + name;
    return all;
  }

  void visit(const std::string& relative) {
    const Path path = root_ / relative;
    const struct stat status = stat_of(path);
    Facts& facts = found_[relative];
    facts["type"] = type_name(status.st_mode);
    facts["mode"] = fmt::format("{:04o}", status.st_mode & 07777);
    facts["owner"] = fmt::format("{}:{}", status.st_uid, status.st_gid);
    facts["mtime"] = fmt::format("{}.{:09}", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    add_xattrs(path, facts);
    if (S_ISREG(status.st_mode)) {
      facts["size"] = std::to_string(status.st_size);
      facts["content"] = digest_of(path);
    }
    if (S_ISLNK(status.st_mode)) facts["target"] = target_of(path);
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
      facts["device"] = fmt::format("{}:{}", major(status.st_rdev), minor(status.st_rdev));
    }
    if (S_ISDIR(status.st_mode)) return visit_children(relative);
    if (status.st_nlink > 1) linked_[{status.st_dev, status.st_ino}].push_back(relative);
  }

  void visit_children(const std::string& relative) {
    const Path path = root_ / relative;
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(path.c_str()), ::closedir);
    if (!listing) throw_errno("opendir", path);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(listing.get())) {
      const std::string name = entry->d_name;
      const bool ours = relative == "." && name == kReserved;
      if (name != "." && name != ".." && !ours) names.push_back(name);
    }
    for (const std::string& name : names) visit(relative == "." ? name : relative + "/" + name);
  }

  Path root_;
  Snapshot found_;
  std::map<std::pair<dev_t, ino_t>, std::vector<std::string>> linked_;
};

void compare_facts(const std::string& path, const Facts& left, const Facts& right,
                   std::vector<std::string>& lines) {
  const auto value_in = [](const Facts& facts, const std::string& field) {
    const auto found = facts.find(field);
    return found == facts.end() ? std::string("(none)") : found->second;
  };
  Facts all = left;
  all.insert(right.begin(), right.end());
  for (const auto& [field, unused] : all) {
    const std::string mine = value_in(left, field);
    const std::string theirs = value_in(right, field);
    if (mine != theirs) {
      lines.push_back(fmt::format("{}: {}: {} != {}", readable(path), field, mine, theirs));
    }
  }
}

}  // namespace

Snapshot snapshot(const Path& root) { return Walk(root).take(); }

std::vector<std::string> differences(const Snapshot& left, const Snapshot& right) {
  std::vector<std::string> lines;
  for (const auto& [path, facts] : left) {
    const auto other = right.find(path);
    if (other == right.end()) {
      lines.push_back(fmt::format("{}: {} only on the left", readable(path), facts.at("type")));
    } else {
      compare_facts(path, facts, other->second, lines);
    }
  }
  for (const auto& [path, facts] : right) {
    if (left.contains(path)) continue;
    lines.push_back(fmt::format("{}: {} only on the right", readable(path), facts.at("type")));
  }
  return lines;
}

std::string compare_trees(const Path& left, const Path& right, std::size_t most) {
  const std::vector<std::string> lines = differences(snapshot(left), snapshot(right));
  std::string text;
  for (std::size_t at = 0; at < lines.size() && at < most; ++at) text += lines[at] + "\n";
  if (lines.size() > most) text += fmt::format("... and {} more\n", lines.size() - most);
  return text.empty()
             ? text
             : fmt::format("{} (left) and {} (right):\n", left.string(), right.string()) + text;
}

}  // namespace mirrorfs::test
