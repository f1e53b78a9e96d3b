// Locks, leases and notification between processes on the mount.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <set>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using Locks = Mounted;
using Notification = Mounted;

const User kRoot{.uid = 0, .gid = 0, .groups = {}};

struct flock write_lock(off_t start, off_t length) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

TEST_F(Locks, FlockHoldsBetweenProcesses) {
  make_file("file");
  const UniqueFd fd = open("file", O_RDWR);
  const auto try_lock = [this](int kind) {
    return as_user(kRoot, [this, kind] {
      return error_of(::flock(::open(mount("file").c_str(), O_RDONLY), kind | LOCK_NB));
    });
  };
  ASSERT_EQ(::flock(fd.get(), LOCK_EX), 0);
  EXPECT_EQ(try_lock(LOCK_SH), EWOULDBLOCK);
  ASSERT_EQ(::flock(fd.get(), LOCK_SH), 0);
  EXPECT_EQ(try_lock(LOCK_SH), 0);
  EXPECT_EQ(try_lock(LOCK_EX), EWOULDBLOCK);
}

TEST_F(Locks, RangesHoldBetweenProcesses) {
  make_file("file");
  const UniqueFd fd = open("file", O_RDWR);
  const auto try_lock = [this](int command, off_t start, off_t length) {
    return as_user(kRoot, [=, this] {
      struct flock lock = write_lock(start, length);
      return error_of(::fcntl(::open(mount("file").c_str(), O_RDWR), command, &lock));
    });
  };
  struct flock lock = write_lock(5, 10);
  for (const int command : {F_SETLK, F_OFD_SETLK}) {
    lock.l_type = F_WRLCK;
    ASSERT_EQ(::fcntl(fd.get(), command, &lock), 0);
    EXPECT_EQ(try_lock(F_SETLK, 0, 6), EAGAIN);
    EXPECT_EQ(try_lock(F_OFD_SETLK, 14, 1), EAGAIN);
    EXPECT_EQ(try_lock(F_SETLK, 15, 100), 0);
    lock.l_type = F_UNLCK;
    ASSERT_EQ(::fcntl(fd.get(), command, &lock), 0);
    EXPECT_EQ(try_lock(F_OFD_SETLK, 0, 100), 0);
  }
}

TEST_F(Locks, ReadLeaseIsBrokenByAWriter) {
  make_file("file");
  // In a process without other threads, which would get the signal.
  const auto hold_a_lease = [this] {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGIO);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    const int fd = ::open(mount("file").c_str(), O_RDONLY);
    if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno;
    const int refused = as_user(
        kRoot, [this] { return error_of(::open(mount("file").c_str(), O_WRONLY | O_NONBLOCK)); });
    if (refused != EWOULDBLOCK) return 201;
    const timespec patience{.tv_sec = 10, .tv_nsec = 0};
    if (::sigtimedwait(&signals, nullptr, &patience) != SIGIO) return 202;
    return error_of(::fcntl(fd, F_SETLEASE, F_UNLCK));
  };
  EXPECT_EQ(as_user(kRoot, hold_a_lease), 0);
}

/// "created name", "modified name" and so on, until nothing more comes.
std::set<std::string> events_of(int watch) {
  constexpr struct {
    std::uint32_t mask;
    const char* what;
  } kKinds[] = {{IN_CREATE, "created"},    {IN_MODIFY, "modified"},  {IN_DELETE, "deleted"},
                {IN_MOVED_FROM, "left"},   {IN_MOVED_TO, "arrived"}, {IN_ATTRIB, "changed"},
                {IN_CLOSE_WRITE, "closed"}};
  std::set<std::string> events;
  alignas(inotify_event) char buffer[4096];
  pollfd ready{.fd = watch, .events = POLLIN, .revents = 0};
  while (::poll(&ready, 1, 100) > 0) {
    const ssize_t size = ::read(watch, buffer, sizeof buffer);
    for (const char* at = buffer; at < buffer + size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(at);
      for (const auto& [mask, what] : kKinds) {
        if ((event->mask & mask) != 0) events.insert(std::string(what) + " " + event->name);
      }
      at += sizeof(inotify_event) + event->len;
    }
  }
  return events;
}

TEST_F(Notification, ChangesThroughTheMountAreTold) {
  make_file("old");
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_GE(::inotify_add_watch(watch.get(), mount(".").c_str(), IN_ALL_EVENTS), 0);
  ASSERT_EQ(as_user(kRoot,
                    [this] {
                      const int fd = ::open(mount("new").c_str(), O_CREAT | O_WRONLY, 0600);
                      if (::write(fd, "x", 1) != 1 || ::close(fd) != 0) return 1;
                      if (::chmod(mount("new").c_str(), 0644) != 0) return 2;
                      if (::rename(mount("new").c_str(), mount("newer").c_str()) != 0) return 3;
                      return error_of(::unlink(mount("old").c_str()));
                    }),
            0);
  const auto events = events_of(watch.get());
  for (const char* const event : {"created new", "modified new", "closed new", "changed new",
                                  "left new", "arrived newer", "deleted old"}) {
    EXPECT_TRUE(events.contains(event)) << event;
  }
}

}  // namespace
}  // namespace mirrorfs::testing
