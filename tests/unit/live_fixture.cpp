#include "live_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <thread>

namespace mirrorfs::testing {

using namespace std::chrono_literals;

LiveTest::LiveTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mirrorfs-live-XXXXXX").string();
  base_ = ::mkdtemp(pattern.data());
  source_ = base_ / "source";
  replica_ = base_ / "replica";
  state_ = base_ / "state";
  std::filesystem::create_directories(source_);
  std::filesystem::create_directories(replica_);
  umask_ = ::umask(0);
}

LiveTest::~LiveTest() {
  ::umask(umask_);
  if (mirror_) (void)stop(5s);
  std::error_code ignored;
  std::filesystem::remove_all(base_, ignored);
}

MirrorOptions LiveTest::options() const {
  MirrorOptions options;
  options.source = source_;
  options.replica = replica_;
  options.state_dir = state_;
  options.late_requests = std::chrono::milliseconds(0);
  return options;
}

void LiveTest::start() { start(options()); }

void LiveTest::start(const MirrorOptions& changed) {
  auto opened = Mirror::open(changed);
  ASSERT_TRUE(opened) << opened.error();
  mirror_ = std::move(*opened);
  const auto started = mirror_->start();
  ASSERT_TRUE(started) << started.error().message();
  driver_ = std::make_unique<SourceDriver>(source_, mirror_->replicator());
}

void LiveTest::start_with_queue_of(std::uint64_t bytes) {
  MirrorOptions changed = options();
  changed.queue_size = bytes;
  start(changed);
}

bool LiveTest::stop(std::chrono::milliseconds patience) {
  const bool clean = mirror_->stop(patience);
  mirror_.reset();
  driver_.reset();
  return clean;
}

void LiveTest::crash() {
  crashed_ = true;
  mirror_.reset();
  driver_.reset();
}

void LiveTest::put_source(const std::string& path, std::string_view content) const {
  std::filesystem::create_directories((source_ / path).parent_path());
  std::ofstream(source_ / path) << content;
}

void LiveTest::put_replica(const std::string& path, std::string_view content) const {
  std::filesystem::create_directories((replica_ / path).parent_path());
  std::ofstream(replica_ / path) << content;
}

std::string LiveTest::replica_content(const std::string& path) const {
  std::ifstream file(replica_ / path);
  if (!file) return "(no such file)";
  return {std::istreambuf_iterator<char>(file), {}};
}

void LiveTest::wait_for_replica(const std::string& path, std::string_view content) const {
  for (int i = 0; i < 1000 && replica_content(path) != content; ++i) {
    std::this_thread::sleep_for(10ms);
  }
}

void LiveTest::expect_equal() {
  if (!mirror_->wait(30s)) {
    const EngineStatus status = mirror_->status();
    std::string failed;
    for (const FailedObject& object : status.failed)
      failed += object.path + ": " + object.cause + "\n";
    FAIL() << "no convergence: state " << to_string(status.state) << ", completed "
           << status.completed.value << ", applied " << status.applied.value << ", marks "
           << status.marks << ", last error " << status.last_error << "\n"
           << failed;
  }
  expect_trees_equal();
  if (crashed_) return;  // what the kernel still does for the one that crashed may end later
  const auto staging = replica_ / kReservedName / "staging";
  for (const auto& left : std::filesystem::recursive_directory_iterator(staging)) {
    ADD_FAILURE() << left.path() << " was left";
  }
}

void LiveTest::expect_trees_equal() const {
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY));
  const auto report = verify_trees(source.get(), replica.get(), {.full = true});
  ASSERT_TRUE(report) << report.error().message();
  for (const Difference& difference : report->differences) {
    ADD_FAILURE() << difference.path << ": " << difference.what;
  }
  for (const Failure& failure : report->failures) {
    ADD_FAILURE() << failure.path << ": " << failure.cause;
  }
}

}  // namespace mirrorfs::testing
