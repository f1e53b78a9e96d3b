// Replicas on another machine: a real server, and its client's mount.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "own_network.h"
#include "sandbox.h"

namespace mirrorfs::test {

enum class Remote { kSshfs, kGluster };
[[nodiscard]] std::string to_string(Remote kind);
/// Why it cannot be tried here; empty when it can.
[[nodiscard]] std::string missing_for(Remote kind);

/// An empty directory over one that is there for the whole machine, in the test's mount namespace.
class EmptyDirectory {
 public:
  explicit EmptyDirectory(Path covered);
  EmptyDirectory(const EmptyDirectory&) = delete;
  EmptyDirectory& operator=(const EmptyDirectory&) = delete;
  ~EmptyDirectory();

 private:
  Path covered_;
};

/// A server on the other side of the cable and its client's mount on an existing directory. All of
/// it ends with this object, or with the test's process. One thread.
class RemoteReplica {
 public:
  /// Serves, and mounts at `mount_point`. Throws.
  static std::unique_ptr<RemoteReplica> start(Remote kind, const Path& mount_point);
  virtual ~RemoteReplica();
  RemoteReplica(const RemoteReplica&) = delete;
  RemoteReplica& operator=(const RemoteReplica&) = delete;

  void kill_server() { server_.reset(); }  ///< kill -9 of every process there
  virtual void start_server() = 0;         ///< returns when it serves
  void cut_cable() const { network_.cut(); }
  void mend_cable() const { network_.mend(); }

  /// The server's own directories, each with all that the replica holds.
  [[nodiscard]] virtual std::vector<Path> stored() const = 0;
  /// They hold what the server has been told.
  [[nodiscard]] virtual bool is_settled() const { return true; }

 protected:
  explicit RemoteReplica(Path mount_point);

  [[nodiscard]] Path place(const char* name) const { return directory_.path() / name; }
  [[nodiscard]] ChildProcess launch(const std::vector<std::string>& command) const;
  void serve(const std::vector<std::string>& command) {
    server_ = launch(network_.on_server(command));
  }
  /// Starts the client, which stays in the foreground, and returns when its mount is there.
  void mount_by(const std::vector<std::string>& command);
  [[nodiscard]] std::string log() const;

  const Path mount_point_;

 private:
  EmptyDirectory runtime_directory_;  ///< /run: sockets and process numbers of this test's servers
  TempDir directory_;
  OwnNetwork network_;
  std::optional<ChildProcess> server_, client_;
};

class SshfsReplica final : public RemoteReplica {
 public:
  explicit SshfsReplica(const Path& mount_point);
  void start_server() override;
  [[nodiscard]] std::vector<Path> stored() const override { return {place("served")}; }
};

/// A volume of two copies.
class GlusterReplica final : public RemoteReplica {
 public:
  explicit GlusterReplica(const Path& mount_point);
  void start_server() override;
  [[nodiscard]] std::vector<Path> stored() const override;

  void kill_brick(unsigned brick) const;
  void start_bricks() const;
  /// Nothing is left to heal: both bricks hold everything.
  [[nodiscard]] bool is_settled() const override;

 private:
  [[nodiscard]] std::string brick_name(unsigned brick) const;
  EmptyDirectory settings_, logs_;
};

}  // namespace mirrorfs::test
