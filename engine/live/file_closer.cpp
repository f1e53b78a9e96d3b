#include "engine/live/file_closer.h"

#include <fmt/core.h>

#include "engine/live/durability.h"
#include "engine/live/reconciler.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

ring::Task<void> FileCloser::run() {
  ring::Event& unused = state_.files.unused();
  while (!stopped_) {
    co_await unused.wait();
    unused.reset();
    while (auto* const file = state_.files.next_unused()) state_.ring.spawn(close(file));
  }
}

ring::Task<void> FileCloser::close(state::FileCache::OpenFile* file) {
  const Result<void> closed = co_await state_.ring.close(std::move(file->fd));
  const ObjectId object = file->object;
  const std::optional<Location> where = file->where;
  state_.files.closed(file);
  if (!closed) failed(object, where, closed.error());
  state_.progressed();
}

/// All names under which the object may be found. Where none can be marked, a walk that is still to
/// come might take it for equal by its size and times: then it has to read.
void FileCloser::failed(const ObjectId& object, const std::optional<Location>& where,
                        const Error& error) {
  const std::string path =
      where ? state_.directories.path_of(*where) : "a file that has lost its name";
  const std::string line = fmt::format("{}: {}", path, error.message());
  state_.count_error(line);
  log_repeating(
      LogLevel::kWarn, "close" + std::to_string(error.code),
      fmt::format("what was written to the replica may be lost: {}; it is marked and copied again",
                  line));
  std::vector<Location> names = state_.links.all(object);
  if (where) names.push_back(*where);
  if (names.empty()) return durability_.note_lost();
  for (const Location& name : names) {
    if (!state_.directories.is_known(name.parent)) return durability_.note_lost();
  }
  reconciler_.distrust_cache_since(durability_.good_since());
  for (const Location& name : names) {
    reconciler_.request(name, state::kSinceEver);
    reconciler_.suspect(name, error);
  }
}

}  // namespace mirrorfs::live
