#include "engine/journal/pair_record.h"

#include <fcntl.h>
#include <sys/vfs.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/journal/small_file.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::journal {
namespace {

constexpr int kVersion = 1;
constexpr const char* kFileName = "pair";

}  // namespace

bool SourceIdentity::same_tree(const SourceIdentity& other) const {
  if (inode != other.inode || birth_seconds != other.birth_seconds ||
      birth_nanoseconds != other.birth_nanoseconds) {
    return false;
  }
  return birth_seconds != 0 || filesystem == other.filesystem;
}

SourceIdentity identity_of(const TreeRoot& source) {
  SourceIdentity identity;
  identity.inode = source.metadata.ino;
  identity.birth_seconds = source.metadata.btime.tv_sec;
  identity.birth_nanoseconds = source.metadata.btime.tv_nsec;
  identity.path = source.path.string();
  struct statfs filesystem{};
  if (::fstatfs(source.fd.get(), &filesystem) == 0) {
    static_assert(sizeof filesystem.f_fsid == sizeof identity.filesystem);
    std::memcpy(&identity.filesystem, &filesystem.f_fsid, sizeof identity.filesystem);
  }
  return identity;
}

StartUp<std::optional<PairRecord>> read_pair_record(int replica_root) {
  const UniqueFd reserved(
      ::openat(replica_root, kReservedName, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!reserved) {
    if (errno == ENOENT) return std::nullopt;
    return std::unexpected(std::string("cannot open its ") + kReservedName + ": " +
                           std::strerror(errno));
  }
  auto content = read_small_file(reserved.get(), kFileName);
  if (!content) return std::unexpected(content.error().message());
  if (!*content) return std::nullopt;
  try {
    const auto json = nlohmann::json::parse(**content);
    if (json.at("version").get<int>() != kVersion) {
      return std::unexpected("its pairing record is of another version of mirrorfs");
    }
    const auto& source = json.at("source");
    return PairRecord{
        .pair_id = json.at("pair_id").get<std::string>(),
        .source = {.inode = source.at("inode").get<std::uint64_t>(),
                   .birth_seconds = source.at("birth_seconds").get<std::int64_t>(),
                   .birth_nanoseconds = source.at("birth_nanoseconds").get<std::int64_t>(),
                   .filesystem = source.at("filesystem").get<std::uint64_t>(),
                   .path = source.at("path").get<std::string>()}};
  } catch (const nlohmann::json::exception& error) {
    return std::unexpected(std::string("its pairing record cannot be read (") + error.what() +
                           "): remove its " + kReservedName + " and give --adopt");
  }
}

StartUp<void> write_pair_record(int reserved_directory, const PairRecord& record) {
  // A path may hold bytes that are not UTF-8; JSON may not.
  const nlohmann::json json = {{"version", kVersion},
                               {"pair_id", record.pair_id},
                               {"source",
                                {{"inode", record.source.inode},
                                 {"birth_seconds", record.source.birth_seconds},
                                 {"birth_nanoseconds", record.source.birth_nanoseconds},
                                 {"filesystem", record.source.filesystem},
                                 {"path", record.source.path}}}};
  const std::string text = json.dump(2, ' ', true, nlohmann::json::error_handler_t::replace);
  if (auto written = replace_small_file(reserved_directory, kFileName, text + "\n"); !written) {
    return std::unexpected("cannot write the pairing record: " + written.error().message());
  }
  return {};
}

}  // namespace mirrorfs::journal
