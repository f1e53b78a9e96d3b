#include "fs/daemon/stop_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <system_error>
#include <utility>

namespace mirrorfs {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

}  // namespace

Result<void> StopSignals::block() {
  const sigset_t set = stop_signals();
  if (const int code = pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) {
    return fail(code, "pthread_sigmask");
  }
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return fail_errno("signal");
  return {};
}

Result<std::unique_ptr<StopSignals>> StopSignals::watch(std::function<void(int)> on_signal) {
  const sigset_t set = stop_signals();
  UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail_errno("signalfd");
  UniqueFd wake_up(eventfd(0, EFD_CLOEXEC));
  if (!wake_up) return fail_errno("eventfd");
  std::unique_ptr<StopSignals> watcher(
      new StopSignals(std::move(signals), std::move(wake_up), std::move(on_signal)));
  try {
    watcher->thread_ = std::thread([raw = watcher.get()] { raw->loop(); });
  } catch (const std::system_error& error) {
    return fail(error.code().value(), "pthread_create");
  }
  return watcher;
}

StopSignals::StopSignals(UniqueFd signals, UniqueFd wake_up, std::function<void(int)> on_signal)
    : signals_(std::move(signals)),
      wake_up_(std::move(wake_up)),
      on_signal_(std::move(on_signal)) {}

StopSignals::~StopSignals() {
  eventfd_write(wake_up_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void StopSignals::loop() {
  std::array<pollfd, 2> waiting{pollfd{signals_.get(), POLLIN, 0},
                                pollfd{wake_up_.get(), POLLIN, 0}};
  while (true) {
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if ((waiting[1].revents & POLLIN) != 0) return;
    signalfd_siginfo signal{};
    if (read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      on_signal_(static_cast<int>(signal.ssi_signo));
    }
  }
}

}  // namespace mirrorfs
