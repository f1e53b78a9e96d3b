// The kernel's side of the FUSE protocol, played by a test: what the real one would never send can
// be sent, and no mount is needed.
#pragma once

#include <linux/fuse.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::testing {

/// The body of a request: structures of linux/fuse.h, names, data, in the order of the protocol.
class Body {
 public:
  template <class Structure>
  Body& add(const Structure& structure) {
    static_assert(std::is_trivially_copyable_v<Structure>);
    return add_bytes(std::as_bytes(std::span(&structure, 1)));
  }
  Body& add_name(std::string_view name);  ///< with its terminating NUL
  Body& add_bytes(std::span<const std::byte> bytes);
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct Answer {
  int error = 0;  ///< errno, 0 for success
  std::vector<std::byte> body;

  /// The structure the body begins with; all zeros when it is too short.
  template <class Structure>
  [[nodiscard]] Structure as() const {
    Structure structure{};
    if (body.size() >= sizeof structure) std::memcpy(&structure, body.data(), sizeof structure);
    return structure;
  }
};

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// A connection whose other end a Session serves as if it were /dev/fuse. Any thread may call.
class FakeKernel {
 public:
  FakeKernel();
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;
  ~FakeKernel();

  /// What Session::mount() is given for a mount point: libfuse takes over the descriptor
  /// (fuse_session_mount, «/dev/fd/N»).
  [[nodiscard]] std::string device() const;
  /// The handshake (FUSE_INIT), with everything the kernel could offer.
  void initialise();
  /// No request will come any more: the session's loop ends.
  void hang_up();

  /// Sends a request and waits for the answer; throws when none comes within seconds.
  [[nodiscard]] Answer call(std::uint32_t opcode, std::uint64_t node, const Body& body,
                            const Identity& caller = {});
  /// Sends what has no answer (FUSE_FORGET).
  void tell(std::uint32_t opcode, std::uint64_t node, const Body& body);

 private:
  std::uint64_t send(std::uint32_t opcode, std::uint64_t node, const Body& body,
                     const Identity& caller);
  void receive();

  UniqueFd ours_;
  int theirs_ = -1;  ///< libfuse closes it with the session
  std::thread receiver_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::uint64_t last_unique_ = 0;
  std::unordered_map<std::uint64_t, Answer> answers_;  ///< not yet fetched
};

}  // namespace mirrorfs::testing
