#include "engine/journal/known_pairs.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <string>

#include "engine/journal/small_file.h"
#include "mirrorfs/error.h"

namespace mirrorfs::journal {
namespace {

constexpr std::string_view kSuffix = ".pair";

std::optional<PairRecord> read_known(int directory, const char* name) {
  const auto content = read_small_file(directory, name);
  if (!content || !*content) return std::nullopt;
  auto record = pair_record_from(**content);
  if (!record) return std::nullopt;
  return std::move(*record);
}

}  // namespace

std::vector<PairRecord> known_pairs(int state_directory) {
  std::vector<PairRecord> pairs;
  const int fd = ::openat(state_directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return pairs;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd), ::closedir);
  while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr) {
    if (!std::string_view(entry->d_name).ends_with(kSuffix)) continue;
    if (auto record = read_known(fd, entry->d_name)) pairs.push_back(std::move(*record));
  }
  std::ranges::sort(pairs, [](const PairRecord& a, const PairRecord& b) {
    return a.own.path != b.own.path ? a.own.path < b.own.path : a.generation > b.generation;
  });
  return pairs;
}

std::optional<PairRecord> known_replica_at(int state_directory, std::string_view path) {
  std::optional<PairRecord> last;
  for (PairRecord& record : known_pairs(state_directory)) {
    if (record.own.path != path) continue;
    if (!last || is_before(last->session.time, record.session.time)) last = std::move(record);
  }
  return last;
}

Result<void> remember_pair(int state_directory, const PairRecord& record) {
  return replace_small_file(state_directory, record.pair_id + std::string(kSuffix),
                            to_text(record));
}

}  // namespace mirrorfs::journal
