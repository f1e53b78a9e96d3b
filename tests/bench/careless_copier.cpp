// A copier that does all that bench/syscall_analysis is to find: names resolved from the working
// directory and from the root, on the ring and off it, several looks at one object, direct statx
// and fallocate. Copies the regular files of one directory. Two ways to hide on the ring may be
// asked for: a registered descriptor, and a kernel thread that submits.
#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace {

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
  return result;
}

class Ring {
 public:
  explicit Ring(std::string_view hidden) {
    const unsigned flags = hidden == "sqpoll" ? IORING_SETUP_SQPOLL : 0;
    checked(io_uring_queue_init(8, &ring_, flags), "io_uring_setup");
    if (hidden == "registered") checked(io_uring_register_ring_fd(&ring_), "register");
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { io_uring_queue_exit(&ring_); }

  /// One request, one system call: slow on purpose.
  template <class Prepare>
  int perform(Prepare&& prepare, const char* what) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    prepare(sqe);
    sqe->user_data = 1;
    checked(io_uring_submit_and_wait(&ring_, 1), "io_uring_enter");
    io_uring_cqe* cqe = nullptr;
    checked(io_uring_wait_cqe(&ring_, &cqe), "io_uring_wait_cqe");
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    return checked(result, what);
  }

 private:
  io_uring ring_{};
};

/// `relative` is resolved from the working directory, `absolute` from the root.
void copy(Ring& ring, const std::string& relative, const std::string& absolute) {
  struct statx look{};
  for (int twice = 0; twice < 2; ++twice) {
    ring.perform(
        [&](io_uring_sqe* sqe) {
          io_uring_prep_statx(sqe, AT_FDCWD, relative.c_str(), 0, STATX_BASIC_STATS, &look);
        },
        "statx");
  }
  const auto open = [&](const std::string& name, int flags) {
    return ring.perform(
        [&](io_uring_sqe* sqe) { io_uring_prep_openat(sqe, AT_FDCWD, name.c_str(), flags, 0600); },
        "openat");
  };
  const int from = open(relative, O_RDONLY);
  const int to = open(absolute, O_WRONLY | O_CREAT | O_TRUNC);
  struct stat direct{};
  if (::fstat(from, &direct) != 0) checked(-errno, "fstat");
  if (direct.st_size > 0) checked(-::posix_fallocate(to, 0, direct.st_size), "fallocate");
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count <= 0) break;
    if (::write(to, buffer.data(), static_cast<std::size_t>(count)) != count) break;
  }
  if (::chmod(absolute.c_str(), look.stx_mode & 07777U) != 0) checked(-errno, "chmod");
  ::close(from);
  ::close(to);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fputs("usage: careless_copier SRC DST [registered|sqpoll]\n", stderr);
    return 2;
  }
  try {
    if (::chdir(argv[1]) != 0) checked(-errno, "chdir");
    Ring ring(argc == 4 ? argv[3] : "");
    DIR* const directory = ::opendir(".");
    while (const dirent* const entry = ::readdir(directory)) {
      if (entry->d_type != DT_REG) continue;
      copy(ring, entry->d_name, std::string(argv[2]) + "/" + entry->d_name);
    }
    ::closedir(directory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "careless_copier: %s\n", error.what());
    return 1;
  }
  return 0;
}
