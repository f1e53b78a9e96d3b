#include "ledger.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "mirrorfs/unique_fd.h"
#include "random.h"

namespace mirrorfs::simulation {
namespace {
constexpr std::size_t kTagSize = 8;
constexpr std::uint64_t kSlots = 4000;
}  // namespace

std::string Ledger::file_name(std::uint64_t effect) { return fmt::format("e{}", effect); }

std::uint64_t Ledger::offset(std::uint64_t effect) { return effect % kSlots * kTagSize; }

std::string Ledger::tag(std::uint64_t effect) {
  return fmt::format("{:08x}", static_cast<std::uint32_t>(mixed(effect) | 1U));
}

void Ledger::begin_session() {
  effects_.clear();
  barriers_.clear();
  durable_.clear();
  promised_.clear();
}

void Ledger::recorded(std::uint64_t effect, SequenceNumber number, bool promised) {
  effects_[number] = effect;
  if (promised) promised_.insert(number);
}

bool Ledger::is_visible(std::uint64_t effect) const {
  if (is_file(effect)) {
    return ::faccessat(replica_root_, file_name(effect).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }
  const UniqueFd fd(::openat(replica_root_, kName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::array<char, kTagSize> found{};
  const auto at = static_cast<off_t>(offset(effect));
  const ssize_t got = fd ? ::pread(fd.get(), found.data(), found.size(), at) : -1;
  return got == static_cast<ssize_t>(kTagSize) &&
         std::string(found.data(), kTagSize) == tag(effect);
}

void Ledger::synced() {
  for (const auto& [number, effect] : effects_) {
    if (!durable_.contains(number) && is_visible(effect)) durable_.insert(number);
  }
}

std::optional<std::string> Ledger::broken_order() const {
  if (barriers_.empty()) return std::nullopt;
  std::optional<SequenceNumber> first_missing;
  std::optional<SequenceNumber> last_visible;
  for (const auto& [number, effect] : effects_) {
    if (is_visible(effect)) {
      last_visible = number;
    } else if (!first_missing) {
      first_missing = number;
    }
  }
  if (!first_missing || !last_visible) return std::nullopt;
  const auto between = barriers_.upper_bound(*first_missing);
  if (between == barriers_.end() || *between > *last_visible) return std::nullopt;
  return fmt::format("G3: the replica shows operation {}, but not {} from before barrier {}",
                     last_visible->value, first_missing->value, between->value);
}

std::optional<std::string> Ledger::not_applied(SequenceNumber number) const {
  const auto found = effects_.find(number);
  if (found == effects_.end() || is_visible(found->second)) return std::nullopt;
  return fmt::format("G6: operation {} was answered in mode sync, but the replica lacks it",
                     number.value);
}

void Ledger::synced(int fd) {
  struct stat file{};
  struct stat synced{};
  if (::fstatat(replica_root_, kName, &file, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (::fstat(fd, &synced) != 0 || file.st_ino != synced.st_ino) return;
  for (const auto& [number, effect] : effects_) {
    if (!is_file(effect) && is_visible(effect)) durable_.insert(number);
  }
}

std::optional<std::string> Ledger::not_durable(SequenceNumber number, bool file_only) const {
  for (const auto& [at, effect] : effects_) {
    if (at > number) break;
    const bool covered = promised_.contains(at) && !(file_only && is_file(effect));
    if (durable_.contains(at) || !covered) continue;
    return fmt::format("G6: {} was answered as durable, but operation {} before it is not",
                       number.value, at.value);
  }
  return std::nullopt;
}

}  // namespace mirrorfs::simulation
