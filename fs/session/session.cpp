#include "fs/session/session.h"

#include <fuse3/fuse_lowlevel.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <set>

#include "fs/handlers/filesystem.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/writer.h"
#include "fs/session/features.h"
#include "fs/session/library_log.h"
#include "fs/session/transport.h"
#include "mirrorfs/log.h"

namespace mirrorfs {
namespace {

/// The whole of a mount. Callbacks get the Filesystem as user data, which is this object's base: so
/// that INIT, which is the session's, finds the way back.
class FuseSession final : public Session, public fs::Filesystem {
 public:
  FuseSession(SessionOptions chosen, std::unique_ptr<fs::SourceTree> tree,
              fs::Credentials credentials, Replicator& engine, fs::Transport transport)
      : fs::Filesystem(*tree, std::move(credentials), engine,
                       {.mode = chosen.mode,
                        .io = chosen.passthrough ? fs::IoOption::kAuto : fs::IoOption::kThrough,
                        .hide_reserved_root_name = chosen.hide_reserved_root_name,
                        .attr_timeout = chosen.attr_timeout,
                        .entry_timeout = chosen.entry_timeout}),
        settings_(std::move(chosen)),
        tree_(std::move(tree)),
        wanted_transport_(transport) {}
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;
  ~FuseSession() override;

  [[nodiscard]] Result<void> open();
  void run() override;
  void stop() override;
  void unmount() override;
  [[nodiscard]] const char* transport_in_use() const override;
  [[nodiscard]] PassthroughUse passthrough_use() const override;
  void capture_open_files() override { captures.capture_all(*this); }
  [[nodiscard]] std::vector<std::uint64_t> mapped_nodes() const override;
  [[nodiscard]] std::uint32_t node_generation() const override { return generation; }
  [[nodiscard]] std::size_t outdated_files() override { return captures.outdated(*this); }
  [[nodiscard]] std::size_t known_nodes() const override { return nodes.size(); }

 private:
  static void initialise(void* user_data, fuse_conn_info* connection);
  [[nodiscard]] std::string option_list() const;

  const SessionOptions settings_;
  const std::unique_ptr<fs::SourceTree> tree_;
  const fs::Transport wanted_transport_;
  std::atomic<fs::Transport> transport_{fs::Transport::kDevice};
  fuse_session* session_ = nullptr;
};

FuseSession::~FuseSession() {
  if (session_ == nullptr) return;
  unmount();
  suspended.end();
  fuse_session_destroy(session_);
}

void FuseSession::initialise(void* user_data, fuse_conn_info* connection) {
  auto& self = static_cast<FuseSession&>(*static_cast<fs::Filesystem*>(user_data));
  self.transport_ = fs::request_features(*connection, self.wanted_transport_);
  const bool passes = self.settings_.passthrough && self.own.may_pass_through() &&
                      self.source.keeps_attributes() && fs::request_passthrough(*connection);
  if (passes) self.open_modes.allow(fuse_session_fd(self.session_));
  if (self.settings_.on_init) self.settings_.on_init();
}

std::string FuseSession::option_list() const {
  std::string list;
  const auto add = [&list](std::string_view option) {
    if (!list.empty()) list += ',';
    list += option;
  };
  for (const std::string& option : settings_.fuse_options) add(option);
  if (wanted_transport_ == fs::Transport::kUring) add("io_uring");
  return list;
}

Result<void> FuseSession::open() {
  const std::string list = option_list();
  fuse_args arguments = FUSE_ARGS_INIT(0, nullptr);
  bool added = fuse_opt_add_arg(&arguments, "mirrorfs") == 0;
  if (added && !list.empty()) {
    added =
        fuse_opt_add_arg(&arguments, "-o") == 0 && fuse_opt_add_arg(&arguments, list.c_str()) == 0;
  }
  if (!added) {
    fuse_opt_free_args(&arguments);
    return fail(ENOMEM, "mount");
  }
  fuse_lowlevel_ops callbacks{};
  fs::fill_callbacks(callbacks);
  callbacks.init = initialise;
  const fs::LibraryLog said;
  session_ = fuse_session_new(&arguments, &callbacks, sizeof callbacks,
                              static_cast<fs::Filesystem*>(this));
  fuse_opt_free_args(&arguments);
  if (session_ == nullptr) return fail(EINVAL, "mount options", said.last());
  session = session_;
  errno = 0;
  if (fuse_session_mount(session_, settings_.mount_point.c_str()) != 0) {
    const int code = errno != 0 ? errno : EPERM;
    fuse_session_destroy(std::exchange(session_, nullptr));
    return fail(code, "mount", said.last().empty() ? settings_.mount_point : said.last());
  }
  return {};
}

void FuseSession::run() {
  // After a fork /proc/self is another process.
  if (auto reopened = tree_->reopen_process_folder(); !reopened) {
    log_error("{}", reopened.error().message());
    return;
  }
  fuse_loop_config* const config = fuse_loop_cfg_create();
  if (config == nullptr) {
    log_error("no memory for the session");
    return;
  }
  if (settings_.threads != 0) fuse_loop_cfg_set_max_threads(config, settings_.threads);
  const int result = [&] {
    const fs::WithoutReserve threads(own);
    return fuse_session_loop_mt(session_, config);
  }();
  fuse_loop_cfg_destroy(config);
  if (result != 0) log_debug("the session ended with {}", result);
}

void FuseSession::stop() { fuse_session_exit(session_); }

// Who handed us the descriptor has mounted it and unmounts it.
void FuseSession::unmount() {
  captures.end();
  if (!settings_.mount_point.starts_with("/dev/fd/")) fuse_session_unmount(session_);
}

PassthroughUse FuseSession::passthrough_use() const {
  return {.available = open_modes.allowed(),
          .opens = open_modes.passed(),
          .refused = open_modes.refused()};
}

// A mapping keeps its file open, and can be written only if that was opened for both.
std::vector<std::uint64_t> FuseSession::mapped_nodes() const {
  std::set<std::uint64_t> found;
  open_files.for_each([&found](const fs::OpenFile& file) {
    const bool cached = file.way.path == fs::DataPath::kThroughDaemon;
    if (cached && file.readable() && file.writable()) found.insert(file.node->id().value);
  });
  return {found.begin(), found.end()};
}

const char* FuseSession::transport_in_use() const {
  return transport_ == fs::Transport::kUring ? "uring" : "dev";
}

// A write past a limit on file sizes must be an error of that write, not the end of the daemon
// (setrlimit(2), RLIMIT_FSIZE).
void prepare_process() {
  ::umask(0);
  ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace

Result<std::unique_ptr<Session>> Session::mount(const SessionOptions& options, int source_root_fd,
                                                Replicator& replicator) {
  const bool uring = fs::kernel_offers_uring() && fs::library_offers_uring();
  auto transport = fs::choose_transport(options.transport, uring);
  if (!transport) return pass_on(std::move(transport));
  auto tree = fs::SourceTree::open(source_root_fd);
  if (!tree) return pass_on(std::move(tree));
  auto credentials = fs::Credentials::open();
  if (!credentials) return pass_on(std::move(credentials));
  prepare_process();
  auto session =
      std::make_unique<FuseSession>(options, std::make_unique<fs::SourceTree>(std::move(*tree)),
                                    std::move(*credentials), replicator, *transport);
  if (auto opened = session->open(); !opened) return pass_on(std::move(opened));
  return session;
}

}  // namespace mirrorfs
