#include "engine/journal/session_record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
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

/// In the replica's reserved directory.
constexpr const char* kReplicaFile = "session";

Result<std::string> random_text() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail_errno("getrandom");
  }
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
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

StartUp<SessionRecord> SessionRecord::open(StateDirectory directory, const std::string& pair_id,
                                           int reserved_directory) {
  SessionRecord record;
  record.directory_ = std::move(directory.fd);
  record.reserved_directory_ = reserved_directory;
  record.pair_id_ = pair_id;
  record.file_name_ = pair_id + ".session";
  auto content = read_small_file(record.directory_.get(), record.file_name_.c_str());
  if (!content) {
    return std::unexpected(
        fmt::format("state directory {}: {}", directory.path.string(), content.error().message()));
  }
  auto last_user = read_small_file(reserved_directory, kReplicaFile);
  if (!last_user) {
    return std::unexpected(
        fmt::format("the replica's record of its last session: {}", last_user.error().message()));
  }
  if (!*content) return record;
  try {
    const auto json = nlohmann::json::parse(**content);
    record.unclean_since_ = {.tv_sec = json.at("since_seconds").get<time_t>(),
                             .tv_nsec = json.at("since_nanoseconds").get<long>()};
    record.nonce_ = json.value("nonce", std::string());
    record.clean_ = json.at("clean").get<bool>();
    record.ended_ = {.tv_sec = json.value("ended_seconds", time_t{}),
                     .tv_nsec = json.value("ended_nanoseconds", 0L)};
  } catch (const nlohmann::json::exception& parse_error) {
    log_warn("the session record of this pair cannot be read ({}): everything is compared",
             parse_error.what());
  }
  if (record.nonce_.empty() || !*last_user || **last_user != record.nonce_) {
    if (record.clean_) {
      log_warn(
          "the replica was used with another state directory since the last session recorded "
          "here: comparing both trees");
    }
    record.clean_ = false;
    record.nonce_.clear();
  }
  return record;
}

Result<void> SessionRecord::begin(timespec now) {
  if (clean_) unclean_since_ = now;
  clean_ = false;
  auto nonce = random_text();
  if (!nonce) return pass_on(std::move(nonce));
  nonce_ = std::move(*nonce);
  // First here: should this process die in between, the old nonce there is nobody's.
  if (auto written = write(false); !written) return written;
  if (auto told = replace_small_file(reserved_directory_, kReplicaFile, nonce_); !told) {
    log_warn("the replica does not take the record of this session: {}", told.error().message());
    ::unlinkat(reserved_directory_, kReplicaFile, 0);  // no nonce is nobody's
  }
  return {};
}

Result<void> SessionRecord::end_clean(timespec now) {
  ended_ = now;
  return write(true);
}

Result<void> SessionRecord::write(bool clean) const {
  const nlohmann::json json = {{"version", 2},
                               {"pair_id", pair_id_},
                               {"nonce", nonce_},
                               {"clean", clean},
                               {"since_seconds", unclean_since_.tv_sec},
                               {"since_nanoseconds", unclean_since_.tv_nsec},
                               {"ended_seconds", ended_.tv_sec},
                               {"ended_nanoseconds", ended_.tv_nsec}};
  return replace_small_file(directory_.get(), file_name_, json.dump(2) + "\n");
}

}  // namespace mirrorfs::journal
