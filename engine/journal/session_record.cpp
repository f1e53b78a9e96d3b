#include "engine/journal/session_record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/journal/small_file.h"
#include "mirrorfs/log.h"

namespace mirrorfs::journal {
namespace {

StartUp<std::filesystem::path> default_directory() {
  if (::geteuid() == 0) return "/var/lib/mirrorfs";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "mirrorfs";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".local/state/mirrorfs";
  }
  return std::unexpected(
      "no place to keep state: neither HOME nor XDG_STATE_HOME is set; give "
      "--state-dir");
}

}  // namespace

StartUp<std::filesystem::path> StateDirectory::choose(const std::filesystem::path& asked) {
  if (!asked.empty()) return asked;
  return default_directory();
}

StartUp<StateDirectory> StateDirectory::open(const std::filesystem::path& directory) {
  StateDirectory opened{.path = directory, .fd = {}};
  std::error_code ignored;  // the open tells what is wrong
  std::filesystem::create_directories(opened.path, ignored);
  opened.fd = UniqueFd(::open(opened.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.fd) {
    return std::unexpected(fmt::format("state directory {}: {}: give another with --state-dir",
                                       opened.path.string(), std::strerror(errno)));
  }
  if (::faccessat(opened.fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return std::unexpected(
        fmt::format("state directory {} cannot be written: {}: give another "
                    "with --state-dir",
                    opened.path.string(), std::strerror(errno)));
  }
  return opened;
}

StartUp<SessionRecord> SessionRecord::open(StateDirectory directory, const std::string& pair_id) {
  SessionRecord record;
  record.directory_ = std::move(directory.fd);
  record.pair_id_ = pair_id;
  record.file_name_ = pair_id + ".session";
  auto content = read_small_file(record.directory_.get(), record.file_name_.c_str());
  if (!content) {
    return std::unexpected(
        fmt::format("state directory {}: {}", directory.path.string(), content.error().message()));
  }
  if (!*content) return record;
  try {
    const auto json = nlohmann::json::parse(**content);
    record.unclean_since_ = {.tv_sec = json.at("since_seconds").get<time_t>(),
                             .tv_nsec = json.at("since_nanoseconds").get<long>()};
    record.clean_ = json.at("clean").get<bool>();
  } catch (const nlohmann::json::exception& parse_error) {
    log_warn("the session record of this pair cannot be read ({}): everything is compared",
             parse_error.what());
  }
  return record;
}

Result<void> SessionRecord::begin(timespec now) {
  if (clean_) unclean_since_ = now;
  return write(false);
}

Result<void> SessionRecord::end_clean() { return write(true); }

Result<void> SessionRecord::write(bool clean) const {
  const nlohmann::json json = {{"version", 1},
                               {"pair_id", pair_id_},
                               {"clean", clean},
                               {"since_seconds", unclean_since_.tv_sec},
                               {"since_nanoseconds", unclean_since_.tv_nsec}};
  return replace_small_file(directory_.get(), file_name_, json.dump(2) + "\n");
}

}  // namespace mirrorfs::journal
