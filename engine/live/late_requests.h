// What a server may still carry out after it has answered with an error, or after nobody waits for
// the answer any more.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::live {

/// When a connection breaks, the client gives a request up and reports an error; the request itself
/// may lie in the old connection, which goes on sending it until it gets through. The server then
/// carries it out when the replica was made equal by a new connection already, and nothing tells
/// (G1). TCP sends again after waits that double up to two minutes (tcp(7)), so what is on its way
/// arrives at most about as long after the return as the outage had lasted. Until then an entry of
/// which something failed stays marked, and it ends only by a reading that was begun later.
/// Ring thread only.
class LateRequests {
 public:
  using Clock = std::chrono::steady_clock;

  /// `margin`: for what it took to notice the outage, and for caches of attributes on the way; 0:
  /// no request of this replica is late.
  explicit LateRequests(std::chrono::milliseconds margin) : margin_(margin) {}

  void failed(const Location& entry, const Error& error, Clock::time_point now);
  /// A reading that was begun at `begun` made the entry equal. When it is to be looked at again;
  /// nothing: it is equal for good.
  [[nodiscard]] std::optional<Clock::time_point> look_again_at(const Location& entry,
                                                               Clock::time_point begun,
                                                               Clock::time_point now);
  [[nodiscard]] bool contains(const Location& entry) const { return suspects_.contains(entry); }
  /// All of a directory's.
  [[nodiscard]] std::vector<std::string> names_in(const ObjectId& directory) const;
  void forget_directory(const ObjectId& directory);
  /// Some were equal, and wait for their second look.
  [[nodiscard]] bool any_waiting() const { return waiting_ > 0; }

 private:
  struct Suspect {
    std::optional<Clock::time_point> due;  ///< none: it was not equal yet since it failed
  };
  void forget(std::unordered_map<Location, Suspect>::iterator suspect);

  std::chrono::milliseconds margin_;
  std::unordered_map<Location, Suspect> suspects_;
  std::size_t waiting_ = 0;
  Clock::time_point began_;  ///< the outage, by its first error
};

}  // namespace mirrorfs::live
