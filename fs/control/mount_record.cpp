#include "fs/control/mount_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "fs/control/mount_table.h"
#include "fs/control/names_json.h"
#include "fs/control/socket_path.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::control {
namespace {

namespace stdfs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kSuffix = ".last";
constexpr std::size_t kLargest = 64 << 10;

/// "srv-data.sock" → "srv-data.last"
std::string record_name(std::string_view mount) {
  return stdfs::path(socket_name(mount)).replace_extension(kSuffix).string();
}

Result<void> write_file(int directory, const std::string& name, const std::string& text) {
  const UniqueFd file(::openat(directory, name.c_str(),
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail_errno("openat", name);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return fail_errno("write", name);
  }
  return {};
}

std::optional<MountRecord> read_record(int directory, const std::string& name) {
  const UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return std::nullopt;
  std::string text(kLargest, '\0');
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  if (size <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(size));
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) return std::nullopt;
  return MountRecord{.mount = name_from(body, "mount"),
                     .source = name_from(body, "source"),
                     .replica = name_from(body, "replica"),
                     .state = body.value("state", ""),
                     .cause = body.value("cause", ""),
                     .time = body.value("time", std::time_t{0})};
}

/// Another user's directory in /tmp is believed to be that user's only when root looks.
UniqueFd open_directory(const stdfs::path& directory) {
  struct stat status{};
  const bool is_root = ::geteuid() == 0 && ::lstat(directory.c_str(), &status) == 0;
  auto fd = open_socket_directory(directory, is_root ? status.st_uid : ::geteuid());
  return fd ? std::move(*fd) : UniqueFd();
}

/// Somebody has removed the mount point: nothing is expected there any more. What is mounted is
/// not touched, for it may hang.
bool is_abandoned(const MountRecord& record) {
  struct stat status{};
  return !find_mount(record.mount) && ::lstat(record.mount.c_str(), &status) != 0 &&
         (errno == ENOENT || errno == ENOTDIR);
}

}  // namespace

Result<void> write_mount_record(int directory, const MountRecord& record) {
  json body = {{"state", record.state}, {"cause", record.cause}, {"time", record.time}};
  put_name(body, "mount", record.mount);
  put_name(body, "source", record.source);
  put_name(body, "replica", record.replica);
  const std::string name = record_name(record.mount);
  const std::string fresh = name + ".new";
  const auto text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  if (auto written = write_file(directory, fresh, text); !written) return written;
  if (::renameat(directory, fresh.c_str(), directory, name.c_str()) != 0) {
    return fail_errno("renameat", name);
  }
  return {};
}

std::optional<MountRecord> read_mount_record(std::string_view mount) {
  std::optional<MountRecord> latest;
  for (const stdfs::path& path : socket_directories_to_search()) {
    const UniqueFd directory = open_directory(path);
    if (!directory) continue;
    auto record = read_record(directory.get(), record_name(mount));
    if (record && (!latest || record->time > latest->time)) latest = std::move(record);
  }
  return latest;
}

std::vector<MountRecord> all_mount_records() {
  std::vector<MountRecord> records;
  for (const stdfs::path& path : socket_directories_to_search()) {
    const UniqueFd directory = open_directory(path);
    if (!directory) continue;
    std::error_code ignored;
    for (const auto& entry : stdfs::directory_iterator(path, ignored)) {
      if (entry.path().extension() != kSuffix) continue;
      auto record = read_record(directory.get(), entry.path().filename().string());
      if (record && !is_abandoned(*record)) records.push_back(std::move(*record));
    }
  }
  std::ranges::sort(records, {}, &MountRecord::mount);
  return records;
}

}  // namespace mirrorfs::control
