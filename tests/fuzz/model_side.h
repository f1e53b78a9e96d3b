// Does calls below one root and tells everything an application can see of the result.
#pragma once

#include <array>
#include <string>

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

/// Changes the identity and the umask of the process while it works: for one thread.
class Side {
 public:
  /// `tells_times`: whether each change of a file gives it a time of its own (multigrain
  /// timestamps, Linux 6.13).
  Side(Path root, bool tells_times) : root_(std::move(root)), tells_times_(tells_times) {}

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
  [[nodiscard]] std::array<Seen, 3> look(const Call& call) const;
  [[nodiscard]] static std::string compare(const std::array<Seen, 3>& before,
                                           const std::array<Seen, 3>& after, bool times);

  Path root_;
  bool tells_times_;
  mode_t mask_ = 022;
  std::array<UniqueFd, kSlots> files_;
  std::array<int, kSlots> flags_{};
};

}  // namespace mirrorfs::test
