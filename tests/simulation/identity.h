// Inode numbers, birth and change times as they would be if nothing else ran on the machine.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <unordered_map>

namespace mirrorfs::simulation {

/// Numbers objects in the order in which they are first seen, and gives a change of ctime the time
/// of the run at which it was first seen.
class Identity {
 public:
  void adjust(struct statx& found);

 private:
  struct Key {
    std::uint64_t device, inode;
    std::int64_t birth_ns;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept {
      return key.inode * 0x9E3779B97F4A7C15ULL ^ static_cast<std::uint64_t>(key.birth_ns);
    }
  };
  struct Known {
    std::uint64_t number = 0;
    std::int64_t real_ctime_ns = 0;
    statx_timestamp birth{}, ctime{};
  };
  std::unordered_map<Key, Known, Hash> known_;
};

}  // namespace mirrorfs::simulation
