// measure: runs a command once and writes down what it took, as one line of JSON. A program of its
// own because what getrusage(2) tells of a child includes the memory of the process that forked it:
// this one is small, an interpreter is not.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kFailed = 125;  ///< as env(1) and timeout(1) have it: it was not the command
constexpr int kCannotRun = 127;

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

[[noreturn]] void complain(const char* what) {
  std::fprintf(stderr, "measure: %s: %s\n", what, std::strerror(errno));
  std::exit(kFailed);
}

}  // namespace

// The filesystem that DIRECTORY is on is synced after the command, which is timed apart: programs
// that leave their data in memory and those that do not become comparable.
int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: measure OUTPUT DIRECTORY COMMAND [ARGUMENT...]\n", stderr);
    return kFailed;
  }
  const int directory = ::open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) complain(argv[2]);
  const double begin = now();
  const pid_t child = ::fork();
  if (child < 0) complain("fork");
  if (child == 0) {
    ::execvp(argv[3], argv + 3);
    std::perror(argv[3]);
    ::_exit(kCannotRun);
  }
  int status = 0;
  rusage used{};
  if (::wait4(child, &status, 0, &used) < 0) complain("wait4");
  const double end = now();
  if (::syncfs(directory) != 0) complain("syncfs");
  const double synced = now();

  std::FILE* const output = std::fopen(argv[1], "we");
  if (output == nullptr) complain(argv[1]);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::fprintf(output,
               "{\"status\": %d, \"wall\": %.6f, \"sync\": %.6f, \"user\": %.6f, \"system\": %.6f, "
               "\"peak_kib\": %ld}\n",
               code, end - begin, synced - end, seconds(used.ru_utime), seconds(used.ru_stime),
               used.ru_maxrss);
  if (std::fclose(output) != 0) complain(argv[1]);
  return 0;
}
