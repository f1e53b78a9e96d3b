#include "stored_tree.h"

#include <fmt/core.h>
#include <sys/xattr.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <regex>
#include <sstream>

namespace mirrorfs::test {
namespace {

constexpr std::string_view kGlusters = ".glusterfs";

bool is_gluster_attribute(const std::string& field) {
  return field.starts_with("xattr trusted.gfid") || field.starts_with("xattr trusted.afr.") ||
         field.starts_with("xattr trusted.glusterfs.");
}

/// Every file of a brick has one more name in the server's own folder.
std::string without_gluster_names(const std::string& names) {
  std::string left;
  std::size_t count = 0;
  std::istringstream words(names);
  for (std::string name; std::getline(words >> std::ws, name, ',');) {
    if (name.starts_with(kGlusters)) continue;
    left += (left.empty() ? "" : ", ") + name;
    ++count;
  }
  return count > 1 ? left : std::string();
}

bool is_lost(const std::string& field, const std::string& type, const Losses& losses) {
  const bool symlink = type == "symlink";
  if (field == "owner")
    return losses.contains("owner") || (symlink && losses.contains(kSymlinkOwner));
  if (field == "mode") return losses.contains("mode");
  if (field == "mtime") return symlink && losses.contains("times");
  if (field == "linked with") return losses.contains("links");
  if (field.starts_with("xattr system.posix_acl")) return losses.contains("acl");
  return field.starts_with("xattr ") && losses.contains("xattr");
}

bool is_special(const std::string& type) {
  return type != "file" && type != "directory" && type != "symlink";
}

Facts kept(const Facts& facts, const Losses& losses) {
  Facts result;
  for (auto [field, value] : facts) {
    if (is_lost(field, facts.at("type"), losses) || is_gluster_attribute(field)) continue;
    if (field == "linked with" && (value = without_gluster_names(value)).empty()) continue;
    result[field] = value;
  }
  return result;
}

Snapshot kept(const Snapshot& tree, const Losses& losses) {
  Snapshot result;
  for (const auto& [path, facts] : tree) {
    if (path.starts_with(kGlusters)) continue;
    if (losses.contains("special") && is_special(facts.at("type"))) continue;
    result[path] = kept(facts, losses);
  }
  return result;
}

/// GlusterFS keeps the times that it shows in an attribute; those of the brick's file are its own
/// (struct posix_mdata_disk: version, flags, then ctime, mtime, atime as seconds and nanoseconds,
/// all of it big endian).
void show_times_of_gluster(const Path& root, Snapshot& tree) {
  for (auto& [path, facts] : tree) {
    std::array<unsigned char, 64> bytes{};
    const Path object = root / path;
    const ssize_t size =
        ::lgetxattr(object.c_str(), "trusted.glusterfs.mdata", bytes.data(), bytes.size());
    if (size < 41) continue;
    const auto number_at = [&bytes](std::size_t at) {
      std::uint64_t number = 0;
      for (std::size_t i = 0; i < 8; ++i) number = number << 8U | bytes.at(at + i);
      return number;
    };
    facts["mtime"] = fmt::format("{}.{:09}", number_at(25), number_at(33));
  }
}

std::int64_t nanoseconds(const std::string& time) {
  const std::size_t point = time.find('.');
  return std::stoll(time.substr(0, point)) * 1'000'000'000 + std::stoll(time.substr(point + 1));
}

/// Where times are kept in seconds, those less than one apart are the same.
void round_times(const Snapshot& source, Snapshot& tree) {
  for (auto& [path, facts] : tree) {
    const auto original = source.find(path);
    if (original == source.end()) continue;
    const std::string& meant = original->second.at("mtime");
    const std::int64_t apart = nanoseconds(meant) - nanoseconds(facts.at("mtime"));
    if (std::abs(apart) < 1'000'000'000) facts["mtime"] = meant;
  }
}

}  // namespace

Losses losses_in_refusal(const std::string& line) {
  std::smatch found;
  Losses losses;
  if (!std::regex_search(line, found, std::regex("--tolerate=([a-z,]+)\n$"))) return losses;
  std::istringstream words(found[1].str());
  for (std::string word; std::getline(words, word, ',');) losses.insert(word);
  if (line.find("owners of symlinks") != std::string::npos) {
    losses.erase("owner");
    losses.insert(kSymlinkOwner);
  }
  return losses;
}

std::string to_tolerate(const Losses& losses) {
  std::string list;
  for (const std::string& loss : losses) {
    list += (list.empty() ? "" : ",") + (loss == kSymlinkOwner ? std::string("owner") : loss);
  }
  return list;
}

std::string compare_with_stored(const Path& source, const Path& stored, const Losses& losses,
                                std::size_t most) {
  const Snapshot wanted = snapshot(source);
  Snapshot server = snapshot(stored);
  show_times_of_gluster(stored, server);
  if (losses.contains("times")) round_times(wanted, server);
  const auto lines = differences(kept(wanted, losses), kept(server, losses));
  std::string text;
  for (std::size_t at = 0; at < lines.size() && at < most; ++at) text += lines[at] + "\n";
  if (lines.size() > most) text += "... and " + std::to_string(lines.size() - most) + " more\n";
  return text;
}

}  // namespace mirrorfs::test
