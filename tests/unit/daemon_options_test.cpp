// The command line: every option by both ways of giving it, and every way to get it wrong.
#include "fs/daemon/options.h"

#include <gtest/gtest.h>

#include <sstream>

namespace mirrorfs {
namespace {

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

struct GoodCase {
  const char* line;
  bool (*holds)(const DaemonOptions&);
};

class GoodOptions : public testing::TestWithParam<GoodCase> {};

TEST_P(GoodOptions, AreUnderstood) {
  const auto options = parse_daemon_options(words(GetParam().line));
  ASSERT_TRUE(options) << options.error();
  EXPECT_TRUE(GetParam().holds(*options)) << GetParam().line;
}

using O = const DaemonOptions&;
using Words = std::vector<std::string>;

INSTANTIATE_TEST_SUITE_P(
    CommandLine, GoodOptions,
    testing::Values(
        GoodCase{"s d m",
                 [](O o) {
                   return o.mirror.source == "s" && o.mirror.replica == "d" && o.mount_point == "m";
                 }},
        GoodCase{"s d m",
                 [](O o) {
                   return o.mirror.mode == Mode::kAsync && o.io == "auto" && o.transport == "auto";
                 }},
        GoodCase{"s d m",
                 [](O o) {
                   return o.mirror.queue_size == 256ULL << 20 &&
                          o.mirror.overflow == Overflow::kCatchUp;
                 }},
        GoodCase{"s d m",
                 [](O o) {
                   return o.mirror.on_replica_error == OnReplicaError::kDegrade &&
                          o.mirror.check == Check::kQuick;
                 }},
        GoodCase{"s d m",
                 [](O o) {
                   return o.mirror.journal == JournalKind::kFast && !o.mirror.adopt &&
                          !o.foreground;
                 }},
        GoodCase{"s d m",
                 [](O o) {
                   return o.drain_timeout.count() == 300 && o.threads == 0 && o.given.empty();
                 }},
        GoodCase{"s m -o dst=d",
                 [](O o) {
                   return o.mirror.source == "s" && o.mirror.replica == "d" && o.mount_point == "m";
                 }},
        GoodCase{"s m -odst=d,mode=fsync",
                 [](O o) { return o.mirror.replica == "d" && o.mirror.mode == Mode::kFsync; }},
        GoodCase{"s m -o dst=a\\,b\\\\c", [](O o) { return o.mirror.replica == "a,b\\c"; }},
        GoodCase{"--mode=sync s d m", [](O o) { return o.mirror.mode == Mode::kSync; }},
        GoodCase{"--mode sync s d m", [](O o) { return o.mirror.mode == Mode::kSync; }},
        GoodCase{"s d m --mode=sync --mode=async",
                 [](O o) { return o.mirror.mode == Mode::kAsync; }},
        GoodCase{"s d m --mode=sync -o mode=fsync",
                 [](O o) { return o.mirror.mode == Mode::kFsync; }},
        GoodCase{"--io=through s d m",
                 [](O o) { return o.io == "through" && o.given.contains("io"); }},
        GoodCase{"--transport=dev s d m", [](O o) { return o.transport == "dev"; }},
        GoodCase{"s d m -o transport=uring", [](O o) { return o.transport == "uring"; }},
        GoodCase{"--queue-size=1G s d m", [](O o) { return o.mirror.queue_size == 1ULL << 30; }},
        GoodCase{"s d m -o queue-size=64K", [](O o) { return o.mirror.queue_size == 65536; }},
        GoodCase{"--overflow=throttle s d m",
                 [](O o) { return o.mirror.overflow == Overflow::kThrottle; }},
        GoodCase{"--on-dst-error=fail s d m",
                 [](O o) { return o.mirror.on_replica_error == OnReplicaError::kFail; }},
        GoodCase{"--check=full s d m", [](O o) { return o.mirror.check == Check::kFull; }},
        GoodCase{"--check=none s d m", [](O o) { return o.mirror.check == Check::kNone; }},
        GoodCase{"--journal=durable s d m",
                 [](O o) { return o.mirror.journal == JournalKind::kDurable; }},
        GoodCase{"--adopt s d m", [](O o) { return o.mirror.adopt; }},
        GoodCase{"s d m -o adopt", [](O o) { return o.mirror.adopt; }},
        GoodCase{
            "--exclude=*.o --exclude=!keep.o s d m",
            [](O o) { return o.mirror.exclude == std::vector<std::string>{"*.o", "!keep.o"}; }},
        GoodCase{"s d m -o exclude=*.o,exclude=build/",
                 [](O o) { return o.mirror.exclude == std::vector<std::string>{"*.o", "build/"}; }},
        GoodCase{"s d m", [](O o) { return o.mirror.exclude.empty(); }},
        GoodCase{"--state-dir=/x s d m", [](O o) { return o.mirror.state_dir == "/x"; }},
        GoodCase{"--threads=8 s d m", [](O o) { return o.threads == 8; }},
        GoodCase{"--scrub=7d s d m", [](O o) { return o.mirror.scrub == std::chrono::hours(168); }},
        GoodCase{"-o scrub=12h s d m",
                 [](O o) { return o.mirror.scrub == std::chrono::hours(12); }},
        GoodCase{"--rate-limit=20M s d m", [](O o) { return o.mirror.rate_limit == 20U << 20; }},
        GoodCase{"-o rate-limit=1K s d m", [](O o) { return o.mirror.rate_limit == 1024; }},
        GoodCase{"--rate-limit=off s d m", [](O o) { return o.mirror.rate_limit == 0; }},
        GoodCase{"--scrub=off s d m", [](O o) { return o.mirror.scrub.count() == 0; }},
        GoodCase{"s d m", [](O o) { return o.mirror.scrub.count() == 0; }},
        GoodCase{"--drain-timeout=0 s d m", [](O o) { return o.drain_timeout.count() == 0; }},
        GoodCase{"-f s d m", [](O o) { return o.foreground; }},
        GoodCase{"s d m --foreground", [](O o) { return o.foreground; }},
        GoodCase{"s d m -o foreground", [](O o) { return o.foreground; }},
        GoodCase{"--log-level=trace s d m", [](O o) { return o.log_level == LogLevel::kTrace; }},
        GoodCase{"--log-file=l s d m", [](O o) { return o.log_file == "l"; }},
        GoodCase{"-h", [](O o) { return o.request == DaemonOptions::Request::kHelp; }},
        GoodCase{"--help --mode=x", [](O o) { return o.request == DaemonOptions::Request::kHelp; }},
        GoodCase{"-V", [](O o) { return o.request == DaemonOptions::Request::kVersion; }},
        GoodCase{"--version", [](O o) { return o.request == DaemonOptions::Request::kVersion; }},
        GoodCase{"s d m -o allow_other,ro,fsname=x",
                 [](O o) { return o.fuse_options == Words{"allow_other", "ro", "fsname=x"}; }},
        GoodCase{"s d m -o rw,dev,suid -o noatime",
                 [](O o) { return o.fuse_options == Words{"rw", "dev", "suid", "noatime"}; }},
        GoodCase{"s d m -o nofail,noauto,_netdev,user,users,defaults",
                 [](O o) { return o.fuse_options.empty(); }},
        GoodCase{"s d m -o x-systemd.automount,comment=hello,x-gvfs-hide",
                 [](O o) { return o.fuse_options.empty(); }},
        GoodCase{"s d m -o ,ro,,", [](O o) { return o.fuse_options == Words{"ro"}; }},
        GoodCase{"s d m -o attr_timeout=0.5,entry_timeout=2",
                 [](O o) { return o.attr_timeout == 0.5 && o.entry_timeout == 2; }},
        GoodCase{"s d m", [](O o) { return o.attr_timeout == 1 && !o.entry_timeout.has_value(); }},
        GoodCase{"--attr-timeout=0 s d m",
                 [](O o) { return o.attr_timeout == 0 && !o.entry_timeout.has_value(); }},
        GoodCase{"--entry-timeout=1.5 s d m -o attr-timeout=60",
                 [](O o) { return o.attr_timeout == 60 && o.entry_timeout == 1.5; }},
        GoodCase{"s d m -o no_allow_other", [](O o) { return o.allow_other_off; }},
        GoodCase{"-- -s -d -m",
                 [](O o) { return o.mirror.source == "-s" && o.mount_point == "-m"; }}));

struct BadCase {
  const char* line;
  std::vector<const char*> message_has;  ///< what the one line must name
};

class BadOptions : public testing::TestWithParam<BadCase> {};

TEST_P(BadOptions, AreRefusedInOneLineThatNamesThem) {
  const auto options = parse_daemon_options(words(GetParam().line));
  ASSERT_FALSE(options) << GetParam().line;
  EXPECT_EQ(options.error().find('\n'), std::string::npos);
  for (const char* const part : GetParam().message_has) {
    EXPECT_NE(options.error().find(part), std::string::npos)
        << "'" << part << "' is not in: " << options.error();
  }
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, BadOptions,
    testing::Values(BadCase{"", {"SRC missing", "usage"}}, BadCase{"s", {"DST and MNT missing"}},
                    BadCase{"s d", {"MNT missing"}}, BadCase{"s d m x", {"'x'", "too many"}},
                    BadCase{"s -o dst=d", {"MNT missing"}},
                    BadCase{"s d m -o dst=d", {"'m'", "too many", "-o dst"}},
                    BadCase{"s m -o dst=", {"-o dst=", "directory"}},
                    BadCase{"s m -o dst", {"-o dst needs a value"}},
                    BadCase{"--mode=fast s d m", {"--mode=fast", "async, fsync or sync"}},
                    BadCase{"--positional=s d m", {"--positional", "unknown option"}},
                    BadCase{"s d m -o mode=fast", {"-o mode=fast", "async, fsync or sync"}},
                    BadCase{"s d m --mode", {"--mode needs a value", "async, fsync or sync"}},
                    BadCase{"s d m --mode=", {"--mode needs a value"}},
                    BadCase{"s d m -o mode", {"-o mode needs a value"}},
                    BadCase{"--io=direct s d m", {"--io=direct", "auto or through"}},
                    BadCase{"--transport=x s d m", {"--transport=x", "auto, uring or dev"}},
                    BadCase{"--queue-size=lots s d m", {"--queue-size=lots", "SIZE"}},
                    BadCase{"--queue-size=0 s d m", {"--queue-size=0", "64K"}},
                    BadCase{"--queue-size=-1 s d m", {"--queue-size=-1"}},
                    BadCase{"--queue-size=1T s d m", {"--queue-size=1T"}},
                    BadCase{"--overflow=x s d m", {"catch-up or throttle"}},
                    BadCase{"--on-dst-error=x s d m", {"degrade or fail"}},
                    BadCase{"--check=x s d m", {"none, quick or full"}},
                    BadCase{"--journal=x s d m", {"fast or durable"}},
                    BadCase{"--adopt=yes s d m", {"--adopt takes no value"}},
                    BadCase{"s d m -o adopt=yes", {"-o adopt takes no value"}},
                    BadCase{"--exclude s d m", {"MNT missing"}},
                    BadCase{"--exclude=/ s d m", {"--exclude: '/'", "empty"}},
                    BadCase{"--exclude=[a s d m", {"--exclude: '[a'", "matches nothing"}},
                    BadCase{"s d m -o exclude=a\\\\", {"-o exclude: ", "backslash"}},
                    BadCase{"--exclude-from=/nowhere/x s d m",
                            {"--exclude-from: /nowhere/x: cannot be read: No such file"}},
                    BadCase{"--threads=0 s d m", {"--threads=0", "1 to 1024"}},
                    BadCase{"--threads=many s d m", {"--threads=many"}},
                    BadCase{"--rate-limit=100 s d m", {"--rate-limit=100", "1K"}},
                    BadCase{"--rate-limit=fast s d m", {"--rate-limit=fast", "20M"}},
                    BadCase{"--scrub=0 s d m", {"--scrub=0", "7d"}},
                    BadCase{"--scrub=weekly s d m", {"--scrub=weekly", "off"}},
                    BadCase{"--drain-timeout=-5 s d m", {"--drain-timeout=-5", "SECONDS"}},
                    BadCase{"--drain-timeout=1.5 s d m", {"--drain-timeout=1.5"}},
                    BadCase{"--log-level=loud s d m",
                            {"--log-level=loud", "trace, debug, info, warn or error"}},
                    BadCase{"--nonsense s d m", {"--nonsense", "unknown option"}},
                    BadCase{"--mod=sync s d m", {"--mod", "unknown option"}},
                    BadCase{"-x s d m", {"-x", "unknown option"}},
                    BadCase{"--attr-timeout=soon s d m", {"--attr-timeout=soon", "SECONDS"}},
                    BadCase{"--attr_timeout=1 s d m", {"--attr_timeout", "unknown option"}},
                    BadCase{"s d m -o nonsense", {"-o nonsense", "unknown option"}},
                    BadCase{"s d m -o ro,nonsense=3", {"-o nonsense=3", "unknown option"}},
                    BadCase{"s d m -o remount", {"-o remount", "unmount"}},
                    BadCase{"s d m -o", {"-o needs"}},
                    BadCase{"s d m -o attr_timeout=soon", {"-o attr_timeout=soon", "SECONDS"}},
                    BadCase{"s d m -o entry_timeout=-1", {"-o entry_timeout=-1"}}));

}  // namespace
}  // namespace mirrorfs
