// A real mount in this process, on temporary folders, with a Replicator that records.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/session/session.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/unique_fd.h"
#include "tests/handlers/recording_replicator.h"

namespace mirrorfs::testing {

class Mounted : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] std::string mount(const std::string& name) const { return mount_ + "/" + name; }
  [[nodiscard]] std::string source(const std::string& name) const { return source_ + "/" + name; }

  /// Of an object in the source.
  [[nodiscard]] Metadata look(const std::string& name) const;
  [[nodiscard]] ObjectId id(const std::string& name) const { return look(name).id(); }
  [[nodiscard]] ObjectId root_id() const { return id("."); }
  [[nodiscard]] Location at_root(const std::string& name) const;

  /// Through the mount.
  void make_file(const std::string& name, std::string_view content = "") const;
  [[nodiscard]] UniqueFd open(const std::string& name, int flags, mode_t mode = 0644) const;

  /// Operations since the last call.
  [[nodiscard]] std::vector<Operation> take() { return replicator_.take(); }
  template <class Kind>
  [[nodiscard]] std::vector<Kind> take_only() {
    auto operations = replicator_.take();
    return only<Kind>(operations);
  }
  /// The one operation since the last call, which must be of this kind.
  template <class Kind>
  [[nodiscard]] Kind take_one();

  /// "dev", or "uring" for fixtures that mount by it.
  [[nodiscard]] virtual const char* transport() const { return "dev"; }

  /// Seconds that the kernel trusts attributes.
  [[nodiscard]] virtual double attribute_timeout() const { return 1; }

  /// Whether the kernel may use the source's files by itself.
  [[nodiscard]] virtual bool passthrough() const { return false; }

  RecordingReplicator replicator_;
  [[nodiscard]] Session& session() { return *session_; }

 private:
  std::string folder_, mount_, source_;
  UniqueFd root_;
  std::unique_ptr<Session> session_;
  std::thread loop_;
};

template <class Kind>
Kind Mounted::take_one() {
  auto operations = replicator_.take();
  EXPECT_EQ(operations.size(), 1U);
  if (operations.size() != 1) return {};
  auto* const kind = std::get_if<Kind>(&operations.front());
  EXPECT_NE(kind, nullptr) << "another kind: variant index " << operations.front().index();
  return kind == nullptr ? Kind{} : std::move(*kind);
}

struct User {
  uid_t uid = 65534;
  gid_t gid = 65534;
  std::vector<gid_t> groups;
};

/// Does `work` in a child process as another user; the errno it returns.
[[nodiscard]] int as_user(const User& user, const std::function<int()>& work);

[[nodiscard]] std::string read_file(const std::string& path);
[[nodiscard]] std::string text(const Payload& payload);
/// 0 or errno of a call that returns -1 on failure.
[[nodiscard]] int error_of(long result);

}  // namespace mirrorfs::testing
