// A mount whose files the kernel uses by itself, where it can.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "mirror_mount.h"

namespace mirrorfs::test {

inline constexpr std::size_t kSize = 300'000;

inline nlohmann::json status_of(const MirrorMount& mirror) {
  return nlohmann::json::parse(mirror.status().json);
}
inline std::uint64_t passed(const MirrorMount& mirror) {
  return status_of(mirror).at("passthrough_opens").get<std::uint64_t>();
}

inline std::string read_at(int fd, off_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  const auto count = check(::pread(fd, bytes.data(), size, offset), "pread", {});
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

inline void write_at(int fd, off_t offset, std::string_view bytes) {
  const auto count = check(::pwrite(fd, bytes.data(), bytes.size(), offset), "pwrite", {});
  ASSERT_EQ(static_cast<std::size_t>(count), bytes.size());
}

inline void open_and_close(const Path& path, int flags) {
  close_file(open_file(path, flags), path);
}

/// The whole of a file in memory, shared.
class Mapping {
 public:
  Mapping(int fd, int protection) {
    void* const memory = ::mmap(nullptr, kSize, protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) throw_errno("mmap", {});
    memory_ = static_cast<char*>(memory);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(memory_, kSize); }
  [[nodiscard]] char* at(std::size_t offset) const { return memory_ + offset; }
  [[nodiscard]] std::string read(std::size_t offset, std::size_t size) const {
    return {memory_ + offset, size};
  }

 private:
  char* memory_;
};

class Passthrough : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    mirror_.emplace(MirrorSetup{.source = GetParam()});
    write_file(mirror_->source("file"), pattern(kSize, 1));
    mirror_->start();
    if (status_of(*mirror_).at("io") != "passthrough") {
      GTEST_SKIP() << "this kernel has no FUSE passthrough (Linux 6.9)";
    }
  }
  MirrorMount& mirror() { return *mirror_; }

  /// Writers are passed where one time was seen that no coarser clock could have stamped (one in
  /// ten could be), and in directories where large files are written.
  void let_writers_pass(const Path& directory = {}) {
    make_directory(mirror().mount(directory / "small"));
    for (const char* const name : {"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"}) {
      write_file(mirror().mount(directory / "small" / name), name);
    }
    write_file(mirror().mount(directory / "large"), pattern(1U << 20, 5));
  }

  /// A reader that the kernel serves by itself.
  UniqueFd reader(const Path& name = "file") {
    const std::uint64_t before = passed(*mirror_);
    UniqueFd fd = open_file(mirror_->mount(name), O_RDONLY);
    EXPECT_EQ(passed(*mirror_), before + 1) << "the reader goes through the daemon";
    return fd;
  }

 private:
  std::optional<MirrorMount> mirror_;
};

inline const auto kPassthroughFilesystems = testing::Values(Filesystem::kTmpfs, Filesystem::kExt4);

}  // namespace mirrorfs::test
