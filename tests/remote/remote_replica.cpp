#include "remote_replica.h"

#include <fmt/core.h>
#include <sys/mount.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace mirrorfs::test {
namespace {

constexpr const char* kPort = "2222";
constexpr std::uint64_t kBrickBytes = 512ULL << 20;

std::vector<std::string> programs_of(Remote kind) {
  switch (kind) {
    case Remote::kSshfs: return {"ip", "sshd", "ssh-keygen", "sshfs"};
    case Remote::kGluster: return {"ip", "glusterd", "gluster", "glusterfs"};
  }
  return {};
}

/// The process, as numbered here, whose command line has both words; 0 when there is none.
pid_t process_with(const std::string& program, const std::string& word) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    if (line.find(program) == std::string::npos || line.find(word) == std::string::npos) continue;
    return static_cast<pid_t>(std::stol(entry.path().filename().string()));
  }
  return 0;
}

}  // namespace

std::string to_string(Remote kind) {
  switch (kind) {
    case Remote::kSshfs: return "sshfs";
    case Remote::kGluster: return "gluster";
  }
  return "?";
}

std::string missing_for(Remote kind) {
  if (auto why = missing_for_mounts(); !why.empty()) return why;
  for (const std::string& program : programs_of(kind)) {
    if (run({"sh", "-c", "command -v " + program}).exit_code != 0) return "needs " + program;
  }
  if (run({"unshare", "--net", "true"}).exit_code != 0) return "needs network namespaces";
  return {};
}

std::unique_ptr<RemoteReplica> RemoteReplica::start(Remote kind, const Path& mount_point) {
  switch (kind) {
    case Remote::kSshfs: return std::make_unique<SshfsReplica>(mount_point);
    case Remote::kGluster: return std::make_unique<GlusterReplica>(mount_point);
  }
  throw std::logic_error("no such kind");
}

EmptyDirectory::EmptyDirectory(Path covered) : covered_(std::move(covered)) {
  std::filesystem::create_directories(covered_);
  check(::mount("none", covered_.c_str(), "tmpfs", 0, "mode=755"), "mount", covered_);
}

EmptyDirectory::~EmptyDirectory() { ::umount2(covered_.c_str(), MNT_DETACH); }

RemoteReplica::RemoteReplica(Path mount_point)
    : mount_point_(std::move(mount_point)), runtime_directory_("/run") {
  make_directory("/run/sshd");
  make_directory("/run/gluster");
}

/// Without its client a mount fails at once and hangs nobody.
RemoteReplica::~RemoteReplica() {
  client_.reset();
  ::umount2(mount_point_.c_str(), MNT_DETACH);
}

ChildProcess RemoteReplica::launch(const std::vector<std::string>& command) const {
  const UniqueFd file = open_file(place("log"), O_WRONLY | O_CREAT | O_APPEND, 0666);
  return ChildProcess::start(command, {}, file.get(), file.get());
}

void RemoteReplica::mount_by(const std::vector<std::string>& command) {
  client_ = launch(command);
  const bool mounted = eventually([this] {
    const auto entry = mount_at(mount_point_);
    return entry && entry->type.starts_with("fuse.");
  });
  if (!mounted) throw std::runtime_error(command.front() + " does not mount: " + log());
  (void)stat_of(mount_point_);
}

std::string RemoteReplica::log() const { return read_file(place("log")); }

SshfsReplica::SshfsReplica(const Path& mount_point) : RemoteReplica(mount_point) {
  make_directory(place("served"));
  for (const char* key : {"host-key", "user-key"}) {
    run_or_throw({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place(key)});
  }
  write_file(place("sshd_config"),
             fmt::format("Port {}\nHostKey {}\nAuthorizedKeysFile {}.pub\nStrictModes no\n"
                         "UsePAM no\nPidFile {}\nPermitRootLogin yes\n"
                         "Subsystem sftp internal-sftp\n",
                         kPort, place("host-key").string(), place("user-key").string(),
                         place("sshd.pid").string()));
  SshfsReplica::start_server();
  mount_by({"sshfs", "-f", "-o",
            fmt::format("port={},IdentityFile={},StrictHostKeyChecking=no,UserKnownHostsFile=/dev/"
                        "null,ConnectTimeout=2,reconnect,ServerAliveInterval=1,"
                        "ServerAliveCountMax=2,dir_cache=no,allow_other,default_permissions",
                        kPort, place("user-key").string()),
            fmt::format("root@{}:{}", OwnNetwork::kServer, place("served").string()),
            mount_point_.string()});
}

void SshfsReplica::start_server() {
  std::error_code error;
  std::filesystem::remove(place("sshd.pid"), error);
  serve({"/usr/sbin/sshd", "-D", "-e", "-f", place("sshd_config")});
  if (!eventually([this] { return is_there(place("sshd.pid")); })) {
    throw std::runtime_error("sshd does not start: " + log());
  }
}

GlusterReplica::GlusterReplica(const Path& mount_point)
    : RemoteReplica(mount_point), settings_("/var/lib/glusterd"), logs_("/var/log/glusterfs") {
  std::vector<std::string> create = {"gluster", "--mode=script", "volume", "create",
                                     "pool",    "replica",       "2"};
  for (const unsigned brick : {0U, 1U}) {
    const Path disk = place(brick == 0 ? "disk0" : "disk1");
    make_directory(disk);
    check(::mount("none", disk.c_str(), "tmpfs", 0, fmt::format("size={}", kBrickBytes).c_str()),
          "mount", disk);
    create.push_back(fmt::format("{}:{}", OwnNetwork::kServer, brick_name(brick)));
  }
  create.emplace_back("force");
  start_server();
  run_or_throw(create);
  for (const char* option : {"network.ping-timeout 2", "cluster.heal-timeout 5"}) {
    run_or_throw({"sh", "-c", std::string("gluster --mode=script volume set pool ") + option});
  }
  run_or_throw({"gluster", "--mode=script", "volume", "start", "pool"});
  mount_by({"glusterfs", "--no-daemon", fmt::format("--volfile-server={}", OwnNetwork::kServer),
            "--volfile-id=/pool", mount_point_.string()});
}

/// The shell takes what the daemons leave behind: a brick that was killed is then gone. The numbers
/// of processes that were killed are others' in their next namespace.
void GlusterReplica::start_server() {
  serve({"sh", "-c", "rm -rf /run/gluster/* /run/glusterd.pid; glusterd --no-daemon & wait"});
  const bool answers =
      eventually([] { return run({"gluster", "--mode=script", "volume", "info"}).exit_code == 0; });
  if (!answers) throw std::runtime_error("glusterd does not answer: " + log());
  const Finished volumes = run({"gluster", "--mode=script", "volume", "list"});
  if (volumes.out == "pool\n") start_bricks();
}

std::string GlusterReplica::brick_name(unsigned brick) const {
  return place(brick == 0 ? "disk0" : "disk1") / "brick";
}

std::vector<Path> GlusterReplica::stored() const { return {brick_name(0), brick_name(1)}; }

void GlusterReplica::kill_brick(unsigned brick) const {
  const pid_t process = process_with("glusterfsd", brick_name(brick));
  if (process == 0) throw std::runtime_error("no process serves " + brick_name(brick));
  check(::kill(process, SIGKILL), "kill", brick_name(brick));
}

void GlusterReplica::start_bricks() const {
  run_or_throw({"gluster", "--mode=script", "volume", "start", "pool", "force"});
}

bool GlusterReplica::is_settled() const {
  const Finished heal = run({"gluster", "--mode=script", "volume", "heal", "pool", "info"});
  std::size_t bricks = 0;
  for (std::size_t at = 0; (at = heal.out.find("Number of entries: 0\n", at)) != std::string::npos;
       ++at) {
    ++bricks;
  }
  return heal.exit_code == 0 && bricks == 2;
}

}  // namespace mirrorfs::test
