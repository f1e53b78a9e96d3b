// What somebody else changed on the replica since the last session is kept before it goes (G8).
#pragma once

#include <time.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/replica/writer.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::replica {

/// In DST/.mirrorfs/kept/TIME/, with their paths: by a further link where the filesystem has links,
/// else by renaming or copying. Ring thread.
class Kept final : public Keeper {
 public:
  /// From one time to before another, by the replica's clock.
  struct Window {
    timespec since, until;
  };
  /// Objects with a ctime within a window are somebody else's; the last one ends now. The
  /// descriptor stays the caller's and outlives this.
  Kept(int replica_root, std::vector<Window> windows);

  [[nodiscard]] bool keeps(const Metadata& object) const override;
  /// An error: it could not be kept, so it must stay where it is.
  [[nodiscard]] Result<void> about_to_destroy(const Doomed& doomed) override;
  [[nodiscard]] Result<void> keep_tree(int directory, const char* name) override;
  void end() override;

 private:
  [[nodiscard]] Result<void> keep_name(const Doomed& doomed);
  [[nodiscard]] Result<void> keep_content(const Doomed& doomed);
  struct Folder {
    UniqueFd fd;
    std::string path;  ///< below `kept`/TIME
  };
  /// For what stands in `directory`.
  [[nodiscard]] Result<Folder> folder_for(int directory);
  [[nodiscard]] Result<void> open_top();
  [[nodiscard]] std::string path_of(int directory) const;
  void tell(const std::string& path, const Folder& folder, const std::string& kept);

  const int root_;
  const std::vector<Window> windows_;
  bool over_ = false;
  UniqueFd top_;  ///< opened with the first object
  std::string top_name_, root_path_;
  std::uint64_t count_ = 0;
};

}  // namespace mirrorfs::replica
