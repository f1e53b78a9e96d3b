#include "postgres_server.h"

#include <pwd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace mirrorfs::test {
namespace {

constexpr milliseconds kPatience(60'000);

/// Debian keeps them apart by version: /usr/lib/postgresql/15/bin. The newest one's.
Path program_folder() {
  std::vector<Path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    if (is_there(entry.path() / "bin/initdb")) found.push_back(entry.path() / "bin");
  }
  return found.empty() ? Path() : std::ranges::max(found);
}

uid_t server_user() { return ::getpwnam("postgres")->pw_uid; }

std::vector<std::string> with_folder(std::vector<std::string> command) {
  command.front() = (program_folder() / command.front()).string();
  return command;
}

/// Nobody can go into our own working directory as another user.
RunOptions as_server_user() {
  return {.timeout = kPatience, .directory = "/", .user = server_user()};
}

ChildProcess launch(const Path& data, const Path& place) {
  const UniqueFd log = open_file(place / "log", O_WRONLY | O_CREAT | O_APPEND);
  return ChildProcess::start(
      with_folder({"postgres", "-D", data.string(), "-c", "listen_addresses=", "-c",
                   "unix_socket_directories=" + place.string(), "-c", "max_connections=20", "-c",
                   "shared_buffers=16MB", "-c", "dynamic_shared_memory_type=mmap"}),
      as_server_user(), log.get(), log.get());
}

}  // namespace

std::string missing_postgres() {
  if (program_folder().empty()) return "needs PostgreSQL";
  if (::getpwnam("postgres") == nullptr) return "needs the user postgres";
  return {};
}

void PostgresServer::make_cluster(const Path& data) {
  make_directory(data, 0700);
  change_owner(data, server_user(), server_user());
  run_or_throw(with_folder({"initdb", "-D", data.string(), "--data-checksums", "--auth=trust",
                            "--username=postgres", "--encoding=UTF8", "--locale=C"}),
               as_server_user());
}

PostgresServer::PostgresServer(Path data, Path place)
    : data_(std::move(data)), place_(std::move(place)), server_(ChildProcess::adopt(0)) {
  change_owner(place_, server_user(), server_user());
  server_ = launch(data_, place_);
  const bool answers = eventually(
      [this] {
        if (const auto code = server_.wait(milliseconds(0))) {
          throw std::runtime_error("postgres ended with " + std::to_string(*code) + ": " + log());
        }
        return run(with_folder({"pg_isready", "-q"}), options()).exit_code == 0;
      },
      kPatience);
  if (!answers) throw std::runtime_error("postgres does not answer: " + log());
}

RunOptions PostgresServer::options() const {
  RunOptions options = as_server_user();
  options.timeout = milliseconds(600'000);
  options.environment = {"PGHOST=" + place_.string(), "PGUSER=postgres", "PGDATABASE=postgres"};
  return options;
}

std::string PostgresServer::log() const { return read_file(place_ / "log"); }

std::string PostgresServer::client(const std::vector<std::string>& command) const {
  const Finished finished = run(with_folder(command), options());
  if (finished.exit_code == 0) return finished.out;
  throw std::runtime_error(command.front() + " ended with " + std::to_string(finished.exit_code) +
                           ": " + finished.out + finished.err + log());
}

ChildProcess PostgresServer::start_client(const std::vector<std::string>& command) const {
  const UniqueFd output = open_file(place_ / "client", O_WRONLY | O_CREAT | O_APPEND);
  return ChildProcess::start(with_folder(command), options(), output.get(), output.get());
}

std::string PostgresServer::query(const std::string& sql) const {
  return client({"psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql});
}

void PostgresServer::stop() {
  server_.signal(SIGINT);
  const auto code = server_.wait(kPatience);
  if (!code || *code != 0) throw std::runtime_error("postgres does not stop cleanly: " + log());
  run_or_throw(with_folder({"pg_checksums", "--check", "-D", data_.string()}), as_server_user());
}

}  // namespace mirrorfs::test
