#include "volatile_store.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <random>

namespace mirrorfs::test {
namespace {

UniqueFd memory(std::uint64_t bytes) {
  UniqueFd file(check(::memfd_create("disk", MFD_CLOEXEC), "memfd_create", {}));
  check(::ftruncate(file.get(), static_cast<off_t>(bytes)), "ftruncate", {});
  return file;
}

}  // namespace

VolatileStore::VolatileStore(std::uint64_t bytes)
    : cached_(memory(bytes)), medium_(memory(bytes)), is_unsynced_(bytes / kSector + 1) {}

ssize_t VolatileStore::read(char* bytes, std::size_t size, off_t offset) const {
  return ::pread(cached_.get(), bytes, size, offset);
}

ssize_t VolatileStore::write(const char* bytes, std::size_t size, off_t offset) {
  const ssize_t put = ::pwrite(cached_.get(), bytes, size, offset);
  if (put <= 0) return put;
  const auto begin = static_cast<std::uint64_t>(offset);
  const std::uint64_t end = begin + static_cast<std::uint64_t>(put);
  for (std::uint64_t sector = begin / kSector; sector * kSector < end; ++sector) {
    if (is_unsynced_.at(sector)) continue;
    is_unsynced_.at(sector) = true;
    unsynced_.push_back(sector);
  }
  return put;
}

void VolatileStore::copy_sector(const UniqueFd& from, const UniqueFd& to, std::uint64_t sector) {
  std::array<char, kSector> bytes{};
  const auto offset = static_cast<off_t>(sector * kSector);
  const auto got = check(::pread(from.get(), bytes.data(), bytes.size(), offset), "pread", {});
  check(::pwrite(to.get(), bytes.data(), static_cast<std::size_t>(got), offset), "pwrite", {});
}

void VolatileStore::sync() {
  for (const std::uint64_t sector : unsynced_) {
    copy_sector(cached_, medium_, sector);
    is_unsynced_.at(sector) = false;
  }
  unsynced_.clear();
}

void VolatileStore::cut(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  constexpr std::array<unsigned, 4> kPercentWritten = {0, 10, 50, 95};
  const unsigned percent = kPercentWritten.at(random() % kPercentWritten.size());
  for (const std::uint64_t sector : unsynced_) {
    const bool written = random() % 100 < percent;
    written ? copy_sector(cached_, medium_, sector) : copy_sector(medium_, cached_, sector);
    is_unsynced_.at(sector) = false;
  }
  unsynced_.clear();
}

}  // namespace mirrorfs::test
