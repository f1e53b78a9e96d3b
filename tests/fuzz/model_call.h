// A system call as a value, made at random: so that it can be done in two places and told to
// people.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>

namespace mirrorfs::test {

enum class CallKind {
  kOpen,
  kOpenUnnamed,
  kClose,
  kDuplicate,
  kRead,
  kReadAt,
  kWrite,
  kWriteAt,
  kSeek,
  kReadMapped,
  kWriteMapped,
  kTruncateOpen,
  kAllocate,
  kCopyRange,
  kSync,
  kSyncData,
  kStatOpen,
  kChmodOpen,
  kChownOpen,
  kTimesOpen,
  kSetXattrOpen,
  kLinkOpen,
  kStat,
  kAccess,
  kMakeDirectory,
  kMakeNode,
  kMakeSymlink,
  kLink,
  kUnlink,
  kRemoveDirectory,
  kRename,
  kReadLink,
  kChmod,
  kChown,
  kTimes,
  kTruncate,
  kSetXattr,
  kGetXattr,
  kListXattrs,
  kRemoveXattr,
  kSetAcl,
  kListDirectory,
  kMask,
};

/// Who calls. The first is root.
inline constexpr std::array<uid_t, 3> kUsers = {0, 1234, 5678};
/// Descriptors that a sequence has at hand.
inline constexpr unsigned kSlots = 6;

/// Which fields matter depends on the kind.
struct Call {
  CallKind kind = CallKind::kStat;
  uid_t user = 0;
  std::string path, other_path;
  std::string name;  ///< of an attribute
  unsigned slot = 0, other_slot = 0;
  std::uint64_t offset = 0, other_offset = 0, size = 0;
  int flags = 0;
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  unsigned seed = 0;  ///< of the data
};

[[nodiscard]] std::string describe(const Call& call);

/// Makes one call after another; the seed decides all of them.
class CallMaker {
 public:
  explicit CallMaker(std::uint64_t seed) : random_(seed) {}
  [[nodiscard]] Call next();

 private:
  [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  template <class List>
  [[nodiscard]] auto one_of(const List& list) {
    return list[below(std::size(list))];
  }
  [[nodiscard]] std::string some_path();
  [[nodiscard]] std::uint64_t some_offset();

  std::mt19937_64 random_;
};

}  // namespace mirrorfs::test
