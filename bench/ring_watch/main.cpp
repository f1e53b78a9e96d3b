// ring_watch: runs a command and writes down every operation that it hands to io_uring, with the
// names and descriptors in it. bench/syscall_analysis reads that.
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <span>

#include "bench/ring_watch/tracer.h"

namespace {

constexpr int kFailed = 125;  ///< as env(1) and timeout(1) have it: it was not the command

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

int watch(std::span<char* const> arguments, mirrorfs::bench::TracerOptions options) {
  const std::unique_ptr<std::FILE, CloseFile> output(std::fopen(arguments[0], "we"));
  if (!output) {
    std::perror(arguments[0]);
    return kFailed;
  }
  const int status = mirrorfs::bench::Tracer(output.get(), options).run(arguments.subspan(1));
  if (std::fflush(output.get()) == 0) return status;
  std::perror(arguments[0]);
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  // The null pointer at the end is part of a command.
  std::span<char* const> arguments(argv + 1, static_cast<std::size_t>(argc));
  mirrorfs::bench::TracerOptions options;
  if (argc > 1 && std::strcmp(argv[1], "--resolve") == 0) {
    options.resolve = true;
    arguments = arguments.subspan(1);
  }
  if (arguments.size() < 3) {
    std::fputs("usage: ring_watch [--resolve] OUTPUT COMMAND [ARGUMENT...]\n", stderr);
    return kFailed;
  }
  try {
    return watch(arguments, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ring_watch: %s\n", error.what());
    return kFailed;
  }
}
