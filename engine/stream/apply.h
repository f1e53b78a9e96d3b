// apply(operation): repeat on the replica what the mount did on the source.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "engine/objects/rights.h"
#include "engine/replica/writer.h"
#include "engine/ring/task.h"
#include "engine/state/directory_table.h"
#include "engine/state/file_cache.h"
#include "engine/state/link_names.h"
#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::stream {

/// What is known of the replica as of the last applied operation.
struct ReplicaView {
  state::DirectoryTable& directories;
  state::FileCache& files;
  state::LinkNames& links;
  /// Told of an attribute that the replica does not take of the object with this name.
  std::function<void(const Location&, const ObjectId&, const Error&)> refused;
};

/// Applies one operation whose claims are held. An error means that the replica may lack it, or
/// have it in part: the caller marks what the operation touched. That the replica does not take an
/// attribute is no error: the view is told. Times are left to PendingTimes,
/// since the next operation on the object would disturb them again. Ring thread only.
class Applier {
 public:
  Applier(replica::Writer& writer, ReplicaView view, objects::Rights rights)
      : ring_(writer.ring()), writer_(writer), view_(std::move(view)), rights_(rights) {}

  [[nodiscard]] ring::Task<Result<void>> apply(const Operation& operation);

  /// The replica's object for attributes (O_PATH unless it is open already). nullopt in the result:
  /// the object has no name any more and needs nothing.
  [[nodiscard]] ring::Task<Result<state::FileHandle>> open_object(ObjectId object,
                                                                  std::optional<Location> where,
                                                                  const Metadata& after);

  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  using Outcome = ring::Task<Result<void>>;
  // Content and attributes (apply_content.cpp).
  Outcome run(const Write& write);
  Outcome run(const Truncate& truncate);
  Outcome run(const Allocate& allocate);
  Outcome run(const SetAttributes& change);
  Outcome run(const SetXattr& set);
  Outcome run(const RemoveXattr& removed);
  // Directory entries (apply_entries.cpp).
  Outcome run(const CreateNode& node);
  Outcome run(const MakeDirectory& made);
  Outcome run(const MakeSymlink& made);
  Outcome run(const Link& link);
  Outcome run(const Unlink& unlink);
  Outcome run(const RemoveDirectory& removed);
  Outcome run(const Rename& rename);
  Outcome run(const LearnDirectory& learn);
  Outcome run(const Barrier& barrier);
  Outcome run(const Unknown& unknown);

  [[nodiscard]] ring::Task<Result<state::FileHandle>> open_content(ObjectId object,
                                                                   std::optional<Location> where,
                                                                   std::uint32_t source_links);
  [[nodiscard]] bool can_reach(const ObjectId& object, const std::optional<Location>& where,
                               std::uint32_t source_links);
  /// A refusal costs the attribute, not the operation.
  [[nodiscard]] Result<void> taken(Result<void> set, const ObjectId& object,
                                   const std::optional<Location>& where);
  [[nodiscard]] Result<void> own(int parent, int fd, const Metadata& after, const ObjectId& object,
                                 const Location& where);
  /// Set-id bits act for an owner: an object of the replica with another one does not get them.
  [[nodiscard]] static mode_t permissions_for(int fd, const Metadata& after);
  Outcome create_regular(const CreateNode& node, int parent);
  Outcome create_special(const CreateNode& node, int parent);
  void exchanged(const Rename& rename);
  [[nodiscard]] ring::Task<Result<void>> is_of_type(int parent, std::string name,
                                                    bool is_directory);
  [[nodiscard]] ring::Task<Result<void>> are_of_their_types(const Rename& rename, int from, int to);
  [[nodiscard]] bool stands_at(const ObjectId& directory, const Location& place) const;
  void moved(const ObjectId& object, mode_t type, const Location& from, const Location& to);

  ring::Ring& ring_;
  replica::Writer& writer_;
  ReplicaView view_;
  objects::Rights rights_;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace mirrorfs::stream
