// The mount without FUSE: the handlers of fs/handlers, with a scheduling point wherever another
// thread could run.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine_under_test.h"
#include "identity.h"
#include "nodes.h"
#include "random.h"
#include "trace.h"

namespace mirrorfs::simulation {

/// What a request needs from the run.
struct MountParts {
  EngineUnderTest& engine;
  Identity& identity;
  Trace& trace;
  /// Whether the next look at the source after a change fails: abandoned intents.
  std::function<bool()> look_fails;
  /// Of the next call of the engine: see Faults.
  std::function<std::optional<unsigned>()> allocation_fails;
  /// Whether the next request that waits for the replica is killed meanwhile.
  std::function<bool()> waiter_is_killed;
  /// An operation was completed, by the current actor.
  std::function<void(SequenceNumber, bool barrier)> recorded;
  /// The engine has answered it as the mode demands, with success. Of a barrier: what it covers.
  std::function<void(SequenceNumber, bool barrier, ObjectId covered)> settled;
  std::function<bool()> order_is_claimed;  ///< the engine says that it keeps order and durability
};

struct OpenFile {
  NodeRef node;
  UniqueFd fd;
};

/// Yields 0 or an errno.
using Request = Task<int>;

class Mount {
 public:
  Mount(MountParts parts, int source_root);

  /// What the kernel resolves before it sends a request: the directory, component by component.
  [[nodiscard]] Task<NodeRef> walk(std::vector<std::string> path);
  [[nodiscard]] Task<NodeRef> lookup(NodeRef parent, std::string name);

  // Names (requests_names.cpp).
  [[nodiscard]] Request create(NodeRef parent, std::string name, mode_t mode, OpenFile* opened);
  [[nodiscard]] Request mkdir(NodeRef parent, std::string name, mode_t mode);
  [[nodiscard]] Request mknod(NodeRef parent, std::string name, mode_t mode, dev_t device);
  [[nodiscard]] Request symlink(std::string target, NodeRef parent, std::string name);
  [[nodiscard]] Request link(NodeRef node, NodeRef parent, std::string name);
  [[nodiscard]] Request remove(NodeRef parent, std::string name, bool directory);
  [[nodiscard]] Request rename(NodeRef from, std::string name, NodeRef to, std::string new_name,
                               unsigned flags);

  // Content and attributes (requests_content.cpp).
  [[nodiscard]] Request open(NodeRef node, OpenFile* opened);
  [[nodiscard]] Request tmpfile(NodeRef parent, mode_t mode, OpenFile* opened);
  [[nodiscard]] Request write(const OpenFile& file, std::uint64_t offset, std::string data,
                              bool synchronous);
  [[nodiscard]] Request truncate(NodeRef node, std::uint64_t size);
  [[nodiscard]] Request allocate(const OpenFile& file, int flags, ByteRange range);
  [[nodiscard]] Request set_attributes(NodeRef node, unsigned changed, mode_t mode, uid_t uid,
                                       gid_t gid, timespec mtime);
  [[nodiscard]] Request set_xattr(NodeRef node, std::string name, std::string value);
  [[nodiscard]] Request remove_xattr(NodeRef node, std::string name);
  [[nodiscard]] Request fsync(NodeRef node);

  [[nodiscard]] Nodes& nodes() { return nodes_; }
  /// Intents that have not ended.
  [[nodiscard]] std::size_t under_way() const { return under_way_; }

 private:
  /// The operations of one request: fs/handlers/recording.h.
  class Recording;
  /// What a request has to wait for before it is answered.
  struct Settlement {
    std::optional<SequenceNumber> number;
    Await what = Await::kOperation;
    std::shared_ptr<const Footprint> covered;
  };
  struct Child {
    NodeRef node;
    Metadata metadata;
  };
  struct Renaming {
    NodeRef from;
    std::string name;
    NodeRef to;
    std::string new_name;
    unsigned flags;
    std::optional<Child> moved, replaced;
    [[nodiscard]] bool exchanges() const;
  };
  using Maybe = std::expected<Metadata, int>;

  [[nodiscard]] Task<Admission> admitted(std::size_t payload);
  /// The engine is told of every directory at or above the node that it has not heard of.
  [[nodiscard]] Task<void> tell_of_directories(NodeRef node);
  /// The locks of a change that names these: fs/handlers/change_locks.h.
  [[nodiscard]] Task<NodeLocks> change_locks(std::vector<NodeRef> locked,
                                             std::vector<NodeRef> named);
  [[nodiscard]] Task<NodeLocks> change_locks(NodeRef node);
  [[nodiscard]] Request settle(Settlement settlement);

  [[nodiscard]] Maybe look(int fd, const char* name);
  /// After a change: the one that may be made to fail.
  [[nodiscard]] Maybe look_after(int fd, const char* name);
  /// Gives what was changed the time of the run, as the kernel would.
  static void stamp(int fd, const char* name);
  [[nodiscard]] Footprint footprint_of(const NodeRef& node);
  [[nodiscard]] std::expected<std::optional<Child>, int> look_at_child(const NodeRef& parent,
                                                                       const std::string& name);
  [[nodiscard]] std::expected<bool, int> still_means(const NodeRef& parent, const std::string& name,
                                                     std::optional<Child>& child);
  template <class Make, class Describe>
  [[nodiscard]] Request make_child(NodeRef parent, std::string name, Make make, Describe describe);
  template <class Change, class Describe>
  [[nodiscard]] Request change_object(NodeRef node, std::size_t payload, bool synchronous,
                                      Change change, Describe describe);
  [[nodiscard]] NodeRef adopt_new(const NodeRef& parent, const std::string& name,
                                  const Metadata& metadata);
  [[nodiscard]] Request try_remove(Admission& admission, NodeRef parent, std::string name,
                                   std::optional<Child>& child, bool directory);
  [[nodiscard]] Request try_rename(Admission& admission, Renaming& renaming);
  void move_names(const Renaming& renaming);
  [[nodiscard]] std::expected<Rename, int> describe(const Renaming& renaming);

  MountParts parts_;
  Nodes nodes_;
  std::size_t under_way_ = 0;
};

}  // namespace mirrorfs::simulation
