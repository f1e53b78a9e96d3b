// Programs made to put filesystems under load, and to notice when one gives back something else.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "program_mount.h"

namespace mirrorfs::test {
namespace {

struct VerifyJob {
  const char* name;
  std::vector<std::string> options;
};

void PrintTo(const VerifyJob& job, std::ostream* stream) { *stream << job.name; }

class Fio : public testing::TestWithParam<VerifyJob> {};

TEST_P(Fio, ReadsWhatItWrote) {
  MIRRORFS_SKIP_WITHOUT_PROGRAMS("fio");
  ProgramMount work(Filesystem::kExt4);
  std::vector<std::string> command = {"fio",         "--name=job",      "--size=16M",
                                      "--numjobs=2", "--verify=crc32c", "--verify_fatal=1",
                                      "--randseed=7"};
  command.push_back(fmt::format("--loops={}", std::max(1U, program_seconds() / 3)));
  command.insert(command.end(), GetParam().options.begin(), GetParam().options.end());
  work.run(command);
  work.expect_mirrored();
}

INSTANTIATE_TEST_SUITE_P(
    G2, Fio,
    testing::Values(
        VerifyJob{"write", {"--rw=write", "--bs=128k", "--fsync=16"}},
        VerifyJob{"random", {"--rw=randwrite", "--bs=4k", "--verify_backlog=64"}},
        VerifyJob{"mixed", {"--rw=randrw", "--bsrange=512-32k", "--fdatasync=32"}},
        VerifyJob{"mapped", {"--rw=randwrite", "--bs=4k", "--ioengine=mmap"}},
        VerifyJob{"direct",
                  {"--rw=randwrite", "--bs=16k", "--ioengine=libaio", "--iodepth=8", "--direct=1"}},
        VerifyJob{"uring", {"--rw=randwrite", "--bs=8k", "--ioengine=io_uring", "--iodepth=8"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Load, DbenchWithEightClients) {
  constexpr const char* kScript = "/usr/share/dbench/client.txt";
  MIRRORFS_SKIP_WITHOUT_PROGRAMS("dbench", kScript);
  ProgramMount work(Filesystem::kExt4);
  const std::string out =
      work.run({"dbench", "-c", kScript, "-D", ".", "-t", std::to_string(program_seconds()), "8"});
  EXPECT_NE(out.find("Throughput"), std::string::npos) << out;
  work.expect_mirrored();
}

/// Stressors that work on files below the working directory, all at once.
constexpr const char* kStressors[] = {
    "access",  "chdir",    "chmod",     "chown",     "copy-file", "dentry", "dir",    "dirdeep",
    "dirmany", "dnotify",  "fallocate", "fcntl",     "filename",  "flock",  "fpunch", "fstat",
    "getdent", "handle",   "hdd",       "inotify",   "io",        "iomix",  "lease",  "link",
    "locka",   "lockf",    "lockofd",   "mknod",     "mmap",      "msync",  "open",   "rename",
    "seek",    "sendfile", "symlink",   "sync-file", "touch",     "utime",  "xattr"};

TEST(Load, StressNgFilesystemStressors) {
  MIRRORFS_SKIP_WITHOUT_PROGRAMS("stress-ng");
  ProgramMount work(Filesystem::kExt4);
  std::vector<std::string> command = {"stress-ng",
                                      "--temp-path",
                                      ".",
                                      "--verify",
                                      "--timeout",
                                      fmt::format("{}s", program_seconds()),
                                      "--hdd-bytes",
                                      "8M",
                                      "--iomix-bytes",
                                      "8M",
                                      "--fallocate-bytes",
                                      "8M",
                                      "--mmap-bytes",
                                      "4M",
                                      "--mmap-file",
                                      "--sync-file-bytes",
                                      "8M",
                                      "--copy-file-bytes",
                                      "128M",
                                      "--seek-size",
                                      "4M"};
  for (const char* stressor : kStressors) {
    command.push_back(fmt::format("--{}", stressor));
    command.emplace_back("1");
  }
  work.run(command);
  work.expect_mirrored();
}

}  // namespace
}  // namespace mirrorfs::test
