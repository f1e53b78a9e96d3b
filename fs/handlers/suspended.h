// Requests that were put aside: they wait for room in the queue, or for the replica.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "fs/handlers/fuse_request.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs::fs {

class Credentials;

/// No thread that serves requests waits: a request is put aside with what is left to do, and that
/// is done by threads of this class, started when the first request waits and kept until the end.
/// They must not be the engine's. With the io_uring transport the next request of a ring's entry is
/// fetched by the thread that answered the last (task work of io_uring): a thread that may hang in
/// a call on the replica would keep it there, and one that ends would take the entry with it.
///
/// A waiting thread that is killed gets EINTR; other signals it does not notice. Nobody waits
/// longer than the kernel lets a request take (fs.fuse.max_request_timeout).
///
/// Safe from any thread.
class Suspended {
 public:
  using Resume = std::move_only_function<void(FuseRequest&, Admission)>;
  using Answer = std::move_only_function<void(FuseRequest&, Result<void>)>;

  Suspended(Replicator& replicator, const Credentials& own);
  Suspended(const Suspended&) = delete;
  Suspended& operator=(const Suspended&) = delete;
  ~Suspended();

  /// `rest` runs, on one of a few threads, when the journal has `ahead` on the disk and there is
  /// room for so many bytes.
  void until_admitted(FuseRequest request, std::size_t bytes, Footprint ahead, Resume rest);

  /// `rest`, which has only to reply, runs when the operation is as far as the mode demands.
  void until_settled(FuseRequest request, SequenceNumber number, Await what,
                     std::shared_ptr<const Footprint> covered, Answer rest);

  /// Answers all that waits, and waits for the threads. Nothing waits from then on. To be called
  /// before the session's rings go.
  void end();

  [[nodiscard]] std::size_t waiting() const;

 private:
  class Room;
  const std::shared_ptr<Room> room_;
};

}  // namespace mirrorfs::fs
