#include "fs/daemon/daemon.h"

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "fs/control/requests.h"
#include "fs/control/socket_path.h"
#include "fs/daemon/notices.h"
#include "fs/daemon/open_files.h"
#include "fs/daemon/service_manager.h"
#include "mirrorfs/log.h"

namespace mirrorfs {
namespace {

void raise_to_hard_limit(__rlimit_resource resource, const char* what) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(resource, &limit) != 0) {
    log_debug("the limit of {} stays as it is: {}", what, std::strerror(errno));
  }
}

void raise_limits() {
  // Descriptors are what the node table lives on; the soft limit is low for the sake of select(2),
  // which nothing here uses.
  raise_to_hard_limit(RLIMIT_NOFILE, "open files");
  // The kernel holds applications to their own limits; that of the shell which started the daemon
  // would apply to all of them.
  if (const rlimit none{RLIM_INFINITY, RLIM_INFINITY}; setrlimit(RLIMIT_FSIZE, &none) != 0) {
    raise_to_hard_limit(RLIMIT_FSIZE, "the size of files");
  }
}

bool answers_as_fuse(const std::filesystem::path& mount_point) {
  struct statfs status{};
  return statfs(mount_point.c_str(), &status) == 0 && status.f_type == FUSE_SUPER_MAGIC;
}

}  // namespace

Daemon::Daemon(DaemonOptions options, StartListener listener)
    : options_(std::move(options)), listener_(std::move(listener)) {}

ExitCode Daemon::run() {
  if (auto up = bring_up(); !up) {
    // In the foreground without a log file the log is where the listener's line goes.
    if (!options_.foreground || !options_.log_file.empty()) log_error("{}", up.error());
    listener_.failed(up.error());
    return kExitFailed;
  }
  std::thread confirming([this] { confirm_mount(initialized_.get_future()); });
  session_->run();
  if (!init_seen_.exchange(true)) initialized_.set_value(false);
  session_->unmount();
  confirming.join();
  session_->capture_open_files();
  const ExitCode drained = drain();
  // Threads that hang on the replica, and clients that wait for it, would hold up the end.
  if (drained == kExitNotDrained) leave_undrained();
  signals_.reset();
  server_.reset();
  if (confirmed_) return drained;
  if (stop_signals_ == 0) listener_.failed("the mount ended before it had answered");
  return stop_signals_ == 0 ? kExitFailed : drained;
}

Daemon::Outcome Daemon::bring_up() {
  if (auto blocked = StopSignals::block(); !blocked) {
    return std::unexpected(blocked.error().message());
  }
  raise_limits();
  if (auto mounted = open_and_mount(); !mounted) return mounted;
  if (auto started = start_threads(); !started) {
    session_->unmount();
    return started;
  }
  log_notices();
  return {};
}

Daemon::Outcome Daemon::open_and_mount() {
  auto mirror = Mirror::open(options_.mirror);
  if (!mirror) return std::unexpected(mirror.error());
  mirror_ = std::move(*mirror);
  for (const std::string& line : mirror_->warnings()) {
    log_warn("{}", line);
    listener_.warned(line);
  }
  auto socket = control::ControlSocket::listen(control::own_socket_directory(),
                                               options_.mount_point.native());
  if (!socket) return std::unexpected(socket.error());
  socket_ = std::move(*socket);
  if (options_.mount_point == options_.mirror.source) {
    for (const std::string& line : writers_below(options_.mirror.source)) log_warn("{}", line);
  }
  auto session = Session::mount(session_options(), mirror_->source_root(), mirror_->replicator());
  if (!session) {
    return std::unexpected(fmt::format("cannot mount '{}': {}", options_.mount_point.native(),
                                       session.error().message()));
  }
  session_ = std::move(*session);
  return {};
}

Daemon::Outcome Daemon::start_threads() {
  const auto explain = [](const Error& error) { return std::unexpected(error.message()); };
  auto signals = StopSignals::watch([this](int number) { on_stop_signal(number); });
  if (!signals) return explain(signals.error());
  signals_ = std::move(*signals);
  if (auto started = mirror_->start(); !started) return explain(started.error());
  return {};
}

Result<void> Daemon::serve_clients() {
  auto server = control::Server::start(
      std::move(socket_),
      control::answer_from(
          *mirror_, [this] { return status(); }, [this] { session_->capture_open_files(); }));
  if (!server) return std::unexpected(server.error());
  server_ = std::move(*server);
  return {};
}

SessionOptions Daemon::session_options() {
  SessionOptions session;
  session.mount_point = options_.mount_point.native();
  session.fuse_options = fuse_options_for(options_, geteuid() == 0);
  session.threads = options_.threads;
  session.mode = options_.mirror.mode;
  session.attr_timeout = options_.attr_timeout;
  session.entry_timeout = options_.entry_timeout.value_or(options_.attr_timeout);
  session.transport = options_.transport;
  session.passthrough = options_.io != "through";
  session.on_init = [this] {
    if (!init_seen_.exchange(true)) initialized_.set_value(true);
  };
  return session;
}

void Daemon::confirm_mount(std::future<bool> initialized) {
  if (!initialized.get()) return;
  if (!answers_as_fuse(options_.mount_point)) {
    log_error("'{}' was mounted but does not answer", options_.mount_point.native());
    session_->stop();
    return;
  }
  // Not before: a client that was answered may unmount, and the look above keeps the mount busy.
  if (const auto served = serve_clients(); !served) {
    log_error("{}", served.error().message());
    session_->stop();
    return;
  }
  if (const auto told = listener_.ready(); !told) {
    log_warn("the process that started this mount is gone, so it ends: {}", told.error().message());
    session_->stop();
    return;
  }
  confirmed_ = true;
  const control::DaemonStatus now = status();
  log_info("'{}' is mirrored to '{}' through '{}': mode {}, io {}, transport {}", now.source,
           now.replica, now.mount, now.mode, now.io, now.transport);
  service_manager::tell_ready(fmt::format("Mirroring {} to {}", now.source, now.replica));
}

void Daemon::on_stop_signal(int number) {
  log_info("{} received: stopping", strsignal(number));
  // A hang-up comes with other signals when a terminal closes; it is not a second request.
  const int earlier = number == SIGHUP ? 0 : stop_signals_.fetch_add(1);
  if (earlier > 0 && draining_) {
    log_warn("told twice to stop: the queue is not applied; the next mount repairs the replica");
    leave_undrained();
  }
  if (draining_) return;
  // Requests that wait for a paused replica would keep the session from ending.
  mirror_->resume();
  session_->stop();
}

void Daemon::leave_undrained() {
  if (server_) server_->remove_name();
  _exit(kExitNotDrained);
}

ExitCode Daemon::drain() {
  service_manager::tell_stopping();
  draining_ = true;
  const service_manager::DrainReport report([this] { return drain_line(); });
  log_info("unmounted; {}", drain_line());
  const bool patient = stop_signals_ < 2;
  const auto time =
      patient ? std::chrono::milliseconds(options_.drain_timeout) : std::chrono::milliseconds(0);
  if (mirror_->stop(time)) {
    log_info("'{}' is complete", options_.mirror.replica.native());
    return kExitDone;
  }
  log_error(
      "'{}' is not complete: the queue could not be applied within {} s; the next "
      "mount repairs it",
      options_.mirror.replica.native(), time.count() / 1000);
  return kExitNotDrained;
}

std::string Daemon::drain_line() const {
  const EngineStatus engine = mirror_->status();
  return fmt::format("{} operations with {} bytes are still to be applied", engine.queued_ops,
                     engine.queued_bytes);
}

control::DaemonStatus Daemon::status() const {
  control::DaemonStatus status;
  switch (options_.mirror.mode) {
    case Mode::kAsync: status.mode = "async"; break;
    case Mode::kFsync: status.mode = "fsync"; break;
    case Mode::kSync: status.mode = "sync"; break;
  }
  if (init_seen_) {
    const PassthroughUse use = session_->passthrough_use();
    status.io = use.available ? "passthrough" : "through";
    status.passthrough_opens = use.opens;
    status.passthrough_refused = use.refused;
  }
  status.transport = init_seen_ ? session_->transport_in_use() : options_.transport.c_str();
  status.source = options_.mirror.source.native();
  status.replica = options_.mirror.replica.native();
  status.mount = options_.mount_point.native();
  status.pid = getpid();
  status.uid = geteuid();
  status.started = started_;
  status.stopping = draining_;
  status.known_nodes = init_seen_ ? session_->known_nodes() : 0;
  return status;
}

}  // namespace mirrorfs
