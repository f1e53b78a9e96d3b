// A private PostgreSQL server: its own data directory, its own socket, no port.
#pragma once

#include <string>
#include <vector>

#include "process.h"

namespace mirrorfs::test {

/// Why there is no PostgreSQL to test with; empty when there is.
[[nodiscard]] std::string missing_postgres();

/// A running server on a data directory. One thread. Killed when destroyed.
class PostgresServer {
 public:
  /// Makes a database cluster with data checksums in `data`, whose directory exists.
  static void make_cluster(const Path& data);

  /// Returns when the server answers, so after any recovery; throws with its log when it does not.
  /// The socket and the log go to `place`, an existing directory.
  PostgresServer(Path data, Path place);

  /// The standard output of a client program of PostgreSQL; throws when it fails.
  std::string client(const std::vector<std::string>& command) const;
  /// The same, without waiting; its output is lost.
  [[nodiscard]] ChildProcess start_client(const std::vector<std::string>& command) const;
  [[nodiscard]] std::string query(const std::string& sql) const;

  /// Fast shutdown; throws when it is not clean.
  void stop();

 private:
  [[nodiscard]] RunOptions options() const;
  [[nodiscard]] std::string log() const;

  Path data_, place_;
  ChildProcess server_;
};

}  // namespace mirrorfs::test
