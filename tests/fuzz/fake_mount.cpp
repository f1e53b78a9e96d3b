#include "tests/fuzz/fake_mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <stdexcept>

namespace mirrorfs::testing {

FakeMount::FakeMount() {
  std::string pattern = "/dev/shm/mirrorfs-protocol-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  folder_ = pattern;
  std::filesystem::create_directory(source());
  std::ofstream(folder_ / "secret") << "outside of the source";
  outside_ = listing_outside();
  root_ = UniqueFd(::open(source().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  SessionOptions options;
  options.mount_point = kernel_.device();
  options.threads = 4;
  options.transport = "dev";
  auto session = Session::mount(options, root_.get(), replicator_);
  if (!session) throw std::runtime_error(session.error().message());
  session_ = std::move(*session);
  loop_ = std::thread([this] { session_->run(); });
  kernel_.initialise();
}

FakeMount::~FakeMount() {
  session_->stop();
  kernel_.hang_up();
  loop_.join();
  session_.reset();
  EXPECT_EQ(replicator_.admitted(), 0U) << "an admission was lost";
  EXPECT_EQ(listing_outside(), outside_) << "something beside the source was changed";
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string FakeMount::listing_outside() const {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    names.insert(entry.path().filename());
  }
  std::string listing;
  for (const std::string& name : names) listing += name + "\n";
  std::ifstream secret(folder_ / "secret");
  return listing + std::string(std::istreambuf_iterator<char>(secret), {});
}

}  // namespace mirrorfs::testing
