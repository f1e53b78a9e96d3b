// A session without a mount: the handlers over a source of their own, spoken to by a fake kernel.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "fs/session/session.h"
#include "tests/fuzz/fake_kernel.h"
#include "tests/handlers/recording_replicator.h"

namespace mirrorfs::testing {

/// Needs neither root nor /dev/fuse. Checks when destroyed that no admission was lost and that
/// nothing beside the source was touched.
class FakeMount {
 public:
  FakeMount();
  FakeMount(const FakeMount&) = delete;
  FakeMount& operator=(const FakeMount&) = delete;
  ~FakeMount();

  [[nodiscard]] FakeKernel& kernel() { return kernel_; }
  [[nodiscard]] Session& session() { return *session_; }
  [[nodiscard]] RecordingReplicator& replicator() { return replicator_; }
  [[nodiscard]] std::filesystem::path source(const std::string& name = {}) const {
    return name.empty() ? folder_ / "source" : folder_ / "source" / name;
  }

 private:
  [[nodiscard]] std::string listing_outside() const;

  std::filesystem::path folder_;
  UniqueFd root_;
  RecordingReplicator replicator_;
  FakeKernel kernel_;
  std::unique_ptr<Session> session_;
  std::thread loop_;
  std::string outside_;
};

}  // namespace mirrorfs::testing
