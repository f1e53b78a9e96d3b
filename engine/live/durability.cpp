#include "engine/live/durability.h"

#include <unistd.h>

#include "engine/live/reconciler.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

/// A round that began before the call may have missed what the caller means: the next one counts.
ring::Task<bool> Durability::sync() {
  const std::uint64_t wanted = started_ + 1;
  while (ended_ < wanted) {
    if (started_ > ended_) {
      co_await round_done_.wait();
      continue;
    }
    ++started_;
    round_done_.reset();
    const SequenceNumber applied = state_.finished.closed_through();
    const std::uint64_t reconciled = state_.reconciled;
    const int root = replica_root_;
    const int error =
        co_await state_.ring.offload([root]() noexcept { return ::syncfs(root) == 0 ? 0 : errno; });
    ++ended_;
    if (error == 0) {
      last_good_ = ended_;
      durable_ = applied;
      reconciled_ = reconciled;
    } else {
      // The kernel reports a failed write-back once and may have dropped the pages (fsync(2)).
      const std::string line = Error{error, "syncfs of the replica", {}}.message();
      state_.count_error(line);
      log_error("{}", line);
      reconciler_.request_everything();
    }
    round_done_.set();
  }
  co_return last_good_ >= wanted;
}

ring::Task<bool> Durability::reach(SequenceNumber number) {
  // What was reconciled since may have been missing from what was durable then.
  if (durable_ >= number && reconciled_ == state_.reconciled) co_return true;
  const bool done = co_await sync();
  co_return done;
}

}  // namespace mirrorfs::live
