// The mark that covers everything: «this pair was not stopped cleanly».
#pragma once

#include <time.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/journal/boot_clock.h"
#include "engine/journal/pairing.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// Where session records are kept, opened before anything is changed in the replica.
struct StateDirectory {
  std::filesystem::path path;
  UniqueFd fd;

  /// What was asked for, or else $MIRRORFS_STATE_DIR, /var/lib/mirrorfs for root,
  /// $XDG_STATE_HOME/mirrorfs or ~/.local/state/mirrorfs for others.
  [[nodiscard]] static StartUp<std::filesystem::path> choose(const std::filesystem::path& asked);
  /// Opens or makes it.
  [[nodiscard]] static StartUp<StateDirectory> open(const std::filesystem::path& directory);
};

/// One file per pair in the state directory. While a daemon runs it says «unclean since T»:
/// whatever the source changed (ctime) before T was on the replica, durably; whatever changed later
/// may not be. It becomes «clean» only after the queue was applied, no mark was left and the
/// replica synced. Each session has a nonce, here and on the replica: where the two differ,
/// somebody else has used the replica since (another or a restored state directory), and «clean» is
/// not believed. The pair's record is kept up with it.
class SessionRecord {
 public:
  /// The descriptor of the source's root stays the caller's.
  [[nodiscard]] static StartUp<SessionRecord> open(StateDirectory directory, const Pairing& pairing,
                                                   int source_root);

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
  /// Objects of the replica with a ctime within one of these were changed by somebody else, since
  /// the last session that has looked at everything. By the replica's clock, of which it is `now`.
  [[nodiscard]] std::vector<Window> foreign_until(timespec now) const;
  /// This session has looked at everything.
  void note_walk();

  /// Records «unclean since now», or keeps the earlier time if it was unclean already. Durable.
  [[nodiscard]] Result<void> begin(timespec now);
  [[nodiscard]] Result<void> end_clean(timespec now);

  /// While the replica lacks this file of its reserved directory, what the state directory has of
  /// this session is not believed.
  static constexpr const char* kReplicaFile = "session";
  [[nodiscard]] int reserved_directory() const { return reserved_.get(); }
  /// The file was removed; a clean end makes it again.
  void note_disowned() { disowned_ = true; }

  /// Something was just done to the replica. Cheap; ring thread. A later session takes what has
  /// a later ctime for somebody else's. Notices a clock that was set back, too.
  void note_life();

 private:
  [[nodiscard]] Result<void> write(bool clean) const;
  [[nodiscard]] Result<void> write_pair(bool ended);
  [[nodiscard]] Result<void> write_compared() const;
  void believe(const std::string& text, const std::string& nonce_there);
  void forget();
  void open_life();

  UniqueFd directory_;
  UniqueFd reserved_;     ///< the replica's
  UniqueFd source_root_;  ///< to touch; not valid: the pair's record is not kept up
  UniqueFd life_;
  std::string file_name_;
  PairRecord pair_;
  BootClock clock_ = BootClock::now();
  std::string nonce_;
  bool clean_ = false;
  bool disowned_ = false;
  bool compared_ = false;  ///< under the patterns of this session, as after others
  timespec unclean_since_{}, ended_{}, last_life_{}, life_written_back_{};
  std::optional<timespec> foreign_since_;
};

/// When the last session that wrote to the replica did so for the last time, as the state directory
/// knows; nothing: it does not.
[[nodiscard]] std::optional<timespec> last_sign_of_life(int state_directory,
                                                        const PairRecord& record);

/// As SessionRecord::foreign_until(), for a sync or repair of a pair that was paired before.
[[nodiscard]] std::vector<Window> foreign_windows(const Pairing& pairing, int state_directory,
                                                  timespec now);

/// A sync or repair without a failure has ended: the pair's record says so, in both places.
/// `began`: what the source changed later may be missing.
[[nodiscard]] StartUp<void> note_sync(const Pairing& pairing, int state_directory, timespec began);

}  // namespace mirrorfs::journal
