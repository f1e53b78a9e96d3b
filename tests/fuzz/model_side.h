// Makes calls below one root and returns everything an application can see of the result.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>

#include "calls.h"
#include "mirrorfs/unique_fd.h"
#include "model_call.h"

namespace mirrorfs::test {

/// What one call did: equal on two filesystems that behave alike.
struct Outcome {
  long result = 0;
  int error = 0;
  std::string data;    ///< what was read
  std::string before;  ///< attributes of the objects concerned, before and after
  std::string after;
  bool operator==(const Outcome&) const = default;
};
[[nodiscard]] std::string describe(const Outcome& outcome);

/// Whether each change of an object gives it a time of its own (multigrain timestamps, Linux 6.13).
struct TellsTimes {
  bool always = false;
  /// Of a directory, when an object gets or loses a name in it: tmpfs gives both the time that is
  /// new for the object (shmem_unlink and shmem_link, Linux 6.18).
  bool by_names = false;
};

/// Changes the identity and the umask of the process while it works: for one thread.
class Side {
 public:
  Side(Path root, TellsTimes tells_times) : root_(std::move(root)), tells_times_(tells_times) {}

  [[nodiscard]] Outcome act(const Call& call);
  void close_all() { files_ = {}; }

 private:
  struct Seen {
    std::string attributes;
    timespec modified{}, changed{};
    ino_t object = 0;  ///< 0: none, or one whose times tell nothing
  };

  [[nodiscard]] Path at(const std::string& relative) const {
    return root_.string() + "/" + relative;
  }
  [[nodiscard]] int fd(const Call& call) const;
  [[nodiscard]] long perform(const Call& call, std::string& data);
  [[nodiscard]] long perform_on_descriptor(const Call& call, std::string& data);
  [[nodiscard]] long perform_on_name(const Call& call);
  [[nodiscard]] long perform_on_path(const Call& call, std::string& data);
  [[nodiscard]] long open(const Call& call, int flags);
  [[nodiscard]] long link_open(const Call& call) const;
  [[nodiscard]] bool tells_times(CallKind kind) const;
  [[nodiscard]] std::array<Seen, 3> look(const Call& call) const;
  [[nodiscard]] static std::string compare(const std::array<Seen, 3>& before,
                                           const std::array<Seen, 3>& after, bool times);

  /// What the filesystem says about a file for as long as it exists.
  using Identity = std::tuple<std::uint64_t, std::int64_t, std::uint32_t>;
  [[nodiscard]] static Identity identity_of(int fd);
  [[nodiscard]] bool has_vague_holes(int fd) const {
    return vague_holes_.contains(identity_of(fd));
  }
  [[nodiscard]] long seek(const Call& call) const;
  [[nodiscard]] long allocate(const Call& call);
  [[nodiscard]] long copy_range(const Call& call);
  [[nodiscard]] long read_mapped(const Call& call, std::string& data);

  Path root_;
  TellsTimes tells_times_;
  mode_t mask_ = 022;
  std::array<UniqueFd, kSlots> files_;
  std::array<int, kSlots> flags_{};
  std::set<Identity> vague_holes_;  ///< files of which it cannot be told what is a hole
};

}  // namespace mirrorfs::test
