#include "fs/daemon/daemon.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "fs/control/mount_record.h"
#include "fs/control/mount_table.h"
#include "fs/control/requests.h"
#include "fs/control/socket_path.h"
#include "fs/daemon/notices.h"
#include "fs/daemon/open_files.h"
#include "fs/daemon/replica_room.h"
#include "fs/daemon/service_manager.h"
#include "mirrorfs/log.h"
#include "mirrorfs/printable.h"

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
  watch_->stop();
  report_->finish();
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
  std::vector<std::string> warnings = mirror_->warnings();
  const auto unfit = unfit_replica(control::own_mountinfo(), options_.mirror.replica);
  if (unfit) warnings.push_back(*unfit);
  for (const std::string& line : warnings) {
    log_warn("{}", line);
    listener_.warned(line);
  }
  auto socket = control::ControlSocket::listen(control::own_socket_directory(),
                                               options_.mount_point.native());
  if (!socket) return std::unexpected(socket.error());
  socket_ = std::move(*socket);
  records_ = UniqueFd(fcntl(socket_->directory(), F_DUPFD_CLOEXEC, 0));
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
  auto signals = StopSignals::watch([this](int number) { on_signal(number); });
  if (!signals) return explain(signals.error());
  signals_ = std::move(*signals);
  try {
    report_ = std::make_unique<StateReport>(options_);
    watch_ = std::make_unique<StateWatch>([this] { return mirror_->status(); },
                                          [this](const auto& change) { report_->tell(change); });
    mirror_->on_activity([this] { watch_->wake(); });
  } catch (const std::system_error& error) {
    return explain(Error{error.code().value(), "pthread_create", {}});
  }
  if (auto started = mirror_->start(); !started) return explain(started.error());
  return {};
}

Result<void> Daemon::serve_clients() {
  control::DaemonCalls calls{
      .look = [this] { return watch_->look(); },
      .status = [this] { return status(); },
      .capture = [this] { session_->capture_open_files(); },
      .mapped =
          [this] {
            return control::MappedFiles{.nodes = session_->mapped_nodes(),
                                        .generation = session_->node_generation()};
          },
      .set = [this](const auto& settings) { return live_options_.change(settings, *mirror_); },
      .settings = [this] { return changeable(live_options_.current()); },
  };
  auto server =
      control::Server::start(std::move(socket_), control::answer_from(*mirror_, std::move(calls)));
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
  // Whatever is asked of the mount from now on waits in the kernel until FUSE_INIT is answered. The
  // daemon itself never asks: killed while it waits for its own answer, a thread of it would stay
  // in the kernel for ever, and with it the connection.
  if (!initialized.get()) return;
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
  record("mounted");
  const control::DaemonStatus now = status();
  log_info("'{}' is mirrored to '{}' through '{}': mode {}, io {}, transport {}", now.source,
           now.replica, now.mount, now.mode, now.io, now.transport);
  service_manager::tell_ready(fmt::format("Mirroring {} to {}", now.source, now.replica));
  watch_->start();
}

void Daemon::on_signal(int number) {
  if (number == SIGHUP) {
    if (options_.log_file.empty()) return;
    const bool reopened = reopen_log_file();
    return log_info("the log file {} reopened", reopened ? "was" : "cannot be");
  }
  log_info("{} received: stopping", strsignal(number));
  const int earlier = stop_signals_.fetch_add(1);
  if (earlier > 0 && draining_) {
    log_warn("told twice to stop: the queue is not applied; the next mount repairs the replica");
    record("incomplete", "the daemon was told twice to stop");
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
  watch_->enter("draining", drain_line(), mirror_->status());
  const service_manager::DrainReport report([this] { return drain_line(); });
  log_info("unmounted; {}", drain_line());
  const bool patient = stop_signals_ < 2;
  const auto time = patient ? std::chrono::milliseconds(live_options_.current().drain_timeout)
                            : std::chrono::milliseconds(0);
  const auto began = std::chrono::steady_clock::now();
  const bool complete = mirror_->stop(time);
  const auto took = std::chrono::steady_clock::now() - began;
  if (complete) {
    log_info("'{}' is complete", options_.mirror.replica.native());
    record("complete");
    watch_->enter("complete", "", mirror_->status());
    return kExitDone;
  }
  const std::string why = incomplete_line(took, took < time);
  log_error("'{}' is not complete: {}; the next mount repairs it", options_.mirror.replica.native(),
            why);
  record("incomplete", why);
  watch_->enter("incomplete", why, mirror_->status());
  return kExitNotDrained;
}

std::string Daemon::incomplete_line(std::chrono::duration<double> took, bool in_time) const {
  const EngineStatus engine = mirror_->status();
  if (!in_time) {
    return fmt::format(
        "after {:.1f} s {} operations were still to be applied, and {} objects may "
        "differ",
        took.count(), engine.queued_ops, engine.marks);
  }
  const std::string cause =
      engine.failed.empty()
          ? engine.last_error
          : fmt::format("'{}': {}", engine.failed.front().path, engine.failed.front().cause);
  return fmt::format("all was tried ({:.1f} s), and {} objects may differ{}{}", took.count(),
                     engine.marks, cause.empty() ? "" : ", the first: ", cause);
}

void Daemon::record(const std::string& state, const std::string& cause) const noexcept {
  try {
    const auto written =
        control::write_mount_record(records_.get(), {.mount = options_.mount_point.native(),
                                                     .source = options_.mirror.source.native(),
                                                     .replica = options_.mirror.replica.native(),
                                                     .state = state,
                                                     .cause = printable(cause),
                                                     .time = std::time(nullptr)});
    if (!written) log_warn("the record of this mount: {}", written.error().message());
  } catch (const std::exception& error) {
    log_warn("the record of this mount: {}", error.what());
  }
}

std::string Daemon::drain_line() const {
  const EngineStatus engine = mirror_->status();
  return fmt::format("{} operations with {} bytes are still to be applied, {} objects may differ",
                     engine.queued_ops, engine.queued_bytes, engine.marks);
}

control::DaemonStatus Daemon::status() const {
  control::DaemonStatus status;
  const MirrorSettings settings = mirror_->settings();
  status.mode = to_string(settings.mode);
  status.overflow = to_string(settings.overflow);
  status.on_replica_error = to_string(settings.on_replica_error);
  status.queue_size = settings.queue_size;
  status.rate_limit = settings.rate_limit;
  const DaemonOptions in_force = live_options_.current();
  status.log_level = to_string(in_force.log_level);
  status.drain_timeout = static_cast<std::uint64_t>(in_force.drain_timeout.count());
  if (init_seen_) {
    const PassthroughUse use = session_->passthrough_use();
    status.io = use.available ? "passthrough" : "through";
    status.passthrough_opens = use.opens;
    status.passthrough_refused = use.refused;
    status.outdated_files = session_->outdated_files();
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
  const StateHistory history = watch_->history();
  status.state_since = std::chrono::system_clock::to_time_t(history.since);
  status.state_seconds = history.seconds;
  status.replica_room = replica_room(mirror_->replica_root());
  return status;
}

}  // namespace mirrorfs
