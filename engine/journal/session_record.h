// The mark that covers everything: «this pair was not stopped cleanly», kept apart from the
// replica.
#pragma once

#include <time.h>

#include <filesystem>
#include <optional>
#include <string>

#include "engine/journal/pairing.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// Where session records are kept, opened before anything is changed in the replica.
struct StateDirectory {
  std::filesystem::path path;
  UniqueFd fd;

  /// What was asked for, or else /var/lib/mirrorfs for root, $XDG_STATE_HOME/mirrorfs or
  /// ~/.local/state/mirrorfs for others.
  [[nodiscard]] static StartUp<std::filesystem::path> choose(const std::filesystem::path& asked);
  /// Opens or makes it.
  [[nodiscard]] static StartUp<StateDirectory> open(const std::filesystem::path& directory);
};

/// One file per pair in the state directory. While a daemon runs it says «unclean since T»:
/// whatever the source changed (ctime) before T was on the replica, durably; whatever changed later
/// may not be. It becomes «clean» only after the queue was applied, no mark was left and the
/// replica synced. Each session has a nonce, here and on the replica: where the two differ,
/// somebody else has used the replica since (another or a restored state directory), and «clean» is
/// not believed.
class SessionRecord {
 public:
  /// `reserved_directory`: the replica's, which stays the caller's and outlives the record.
  [[nodiscard]] static StartUp<SessionRecord> open(StateDirectory directory,
                                                   const std::string& pair_id,
                                                   int reserved_directory);

  /// True: the last session ended cleanly. False also when there is no record.
  [[nodiscard]] bool clean() const { return clean_; }
  /// When it did: what changed since was changed by somebody else.
  [[nodiscard]] timespec ended() const { return ended_; }
  /// Content that the source changed since may be missing on the replica; 0: anything may.
  [[nodiscard]] timespec unclean_since() const { return unclean_since_; }
  /// Of the last session, if it was the last to use the replica; else empty. After begin(): of
  /// this.
  [[nodiscard]] const std::string& nonce() const { return nonce_; }
  [[nodiscard]] int state_directory() const { return directory_.get(); }

  /// Records «unclean since now», or keeps the earlier time if it was unclean already. Durable.
  [[nodiscard]] Result<void> begin(timespec now);
  [[nodiscard]] Result<void> end_clean(timespec now);

 private:
  [[nodiscard]] Result<void> write(bool clean) const;
  UniqueFd directory_;
  int reserved_directory_ = -1;
  std::string file_name_;
  std::string pair_id_;
  std::string nonce_;
  bool clean_ = false;
  timespec unclean_since_{};
  timespec ended_{};
};

}  // namespace mirrorfs::journal
