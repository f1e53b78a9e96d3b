// All nodes: by the kernel's number and by the object's identity; their names and descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "fs/nodes/descriptor_cache.h"
#include "fs/nodes/node.h"
#include "fs/nodes/removed_descriptors.h"
#include "fs/nodes/source_tree.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::fs {

/// A node stays in the table while the kernel has looked it up or a NodeRef keeps it; at most one
/// node stands for an object, so that its lock orders all changes to it. Names are exact while
/// the node's lock is held: every change of a name through the mount is made under the lock of the
/// directory and, but for a first name, of the node. Members are safe from any thread.
class NodeTable {
 public:
  NodeTable(const SourceTree& source, std::size_t descriptor_limit);
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;
  ~NodeTable();

  /// Half of the descriptors the process may have, within reason.
  [[nodiscard]] static std::size_t default_descriptor_limit();

  [[nodiscard]] const NodeRef& root() const { return root_; }
  [[nodiscard]] bool is_root(const Node& node) const { return node.id() == kRootNode; }

  [[nodiscard]] NodeRef find(NodeId id);
  [[nodiscard]] NodeRef find(const ObjectId& object);

  /// The object's node, made if there is none.
  [[nodiscard]] NodeRef acquire(const Metadata& metadata);

  /// The node of an object created just now: an older node of the same identity is of an object
  /// that is gone (filesystems without birth times).
  [[nodiscard]] NodeRef acquire_new(const Metadata& metadata);

  /// The kernel gets the node in a reply.
  void add_lookup(const NodeRef& node);
  void forget(NodeId id, std::uint64_t lookups);

  /// A directory has one name, a file several; old ones are dropped past a few. A directory that is
  /// met elsewhere than it was known to be is not learnt there.
  void add_name(const NodeRef& node, const NodeRef& parent, std::string_view name);
  void remove_name(const NodeRef& node, const NodeRef& parent, std::string_view name);
  [[nodiscard]] bool has_name(const NodeRef& node) const;
  /// A name of the object in a directory that the engine was told of.
  [[nodiscard]] std::optional<Location> location(const NodeRef& node) const;

  /// All of them that are known.
  [[nodiscard]] std::vector<Location> locations(const NodeRef& node) const;
  /// The directory that has it, by the first name known; nothing: no name is known, or it is the
  /// root.
  [[nodiscard]] std::optional<ObjectId> parent(const NodeRef& node) const;
  /// False: it has one name at most.
  [[nodiscard]] bool may_be_linked(const NodeRef& node) const;

  /// The engine was told of the directory; of those above it first.
  void set_learnt(const NodeRef& node);
  /// The uppermost directory that the engine has to be told of before it can be told of a change of
  /// the object: at or above a directory; above any other object that has a name, but none that
  /// location() would give. Null when there is none.
  [[nodiscard]] NodeRef uppermost_unlearnt(const NodeRef& node);

  /// A descriptor of the object, opened with O_PATH if need be. ESTALE when what stands where the
  /// object should be is another object.
  [[nodiscard]] Result<SharedFd> descriptor(const NodeRef& node);
  /// A descriptor serves the node too: one opened just now, or, as long as the file is open, the
  /// file's own.
  void give_descriptor(const NodeRef& node, UniqueFd fd) { (void)cache(node, std::move(fd)); }
  void lend_descriptor(const NodeRef& node, SharedFd fd);
  /// Before the file is closed: open for writing it could not be executed (ETXTBSY, execve(2)).
  void take_back_descriptor(const NodeRef& node, const SharedFd& fd);
  /// Always O_PATH. To be taken before the last known name goes: null when the kernel does not know
  /// the node, or when the object cannot be opened.
  [[nodiscard]] SharedFd descriptor_to_keep(const NodeRef& node);
  /// Keeps `fd` as long as the node: nothing else leads to the object any more.
  void pin_descriptor(const NodeRef& node, SharedFd fd);

  /// Before a name is removed or replaced, and holding no lock: keeps the descriptors of removed
  /// objects from becoming too many (RemovedDescriptors), also when what is to be forgotten is not.
  void make_room_for_removal();

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t open_descriptors() const;
  /// Waiting to be closed.
  [[nodiscard]] std::size_t removed_descriptors() const { return removed_.waiting(); }

 private:
  friend class NodeRef;
  struct ById {
    using is_transparent = void;
    std::size_t operator()(NodeId id) const noexcept { return id.value; }
    std::size_t operator()(const Node* node) const noexcept { return node->id().value; }
    bool operator()(NodeId id, const Node* node) const { return node->id() == id; }
    bool operator()(const Node* node, NodeId id) const { return node->id() == id; }
    bool operator()(const Node* a, const Node* b) const { return a == b; }
  };
  struct ByObject {
    using is_transparent = void;
    std::size_t operator()(const ObjectId& object) const noexcept {
      return std::hash<ObjectId>{}(object);
    }
    std::size_t operator()(const Node* node) const noexcept { return (*this)(node->object()); }
    bool operator()(const ObjectId& id, const Node* node) const { return node->object() == id; }
    bool operator()(const Node* node, const ObjectId& id) const { return node->object() == id; }
    bool operator()(const Node* a, const Node* b) const { return a->object() == b->object(); }
  };
  /// One step of the way down to a node: open `name` in the step before, expect `node`.
  struct Step {
    NodeRef node;
    std::string name;
  };
  struct Route {
    SharedFd start;
    std::vector<Step> steps;  ///< last step first
  };

  [[nodiscard]] NodeRef make(const Metadata& metadata);
  [[nodiscard]] static bool names_unlearnt(Node& node);
  void release(Node& node) noexcept;
  void take_out(Node& node, DescriptorCache::GivenUp& given_up) noexcept;
  [[nodiscard]] static bool drop(Node& node) noexcept;
  void erase(Node& node, DescriptorCache::GivenUp& given_up) noexcept;
  void insert_name(Node& node, Node& parent, std::string_view name, std::vector<Node*>& dropped);
  void break_loop(Node& node, Node& parent, std::vector<Node*>& dropped);
  [[nodiscard]] Result<UniqueFd> open_by_handle(const NodeRef& node);
  [[nodiscard]] Result<UniqueFd> open_by_name(const NodeRef& node, std::size_t attempt);
  [[nodiscard]] Result<Route> route_to(const NodeRef& node, std::size_t attempt);
  [[nodiscard]] Result<void> check_identity(const UniqueFd& fd, const Node& node) const;
  [[nodiscard]] SharedFd cache(const NodeRef& node, UniqueFd fd);

  const SourceTree& source_;
  mutable std::mutex mutex_;
  std::uint64_t next_id_ = kRootNode.value;
  std::unordered_set<Node*, ById, ById> by_id_;
  std::unordered_set<Node*, ByObject, ByObject> by_object_;
  RemovedDescriptors removed_;
  DescriptorCache descriptors_;
  NodeRef root_;
};

}  // namespace mirrorfs::fs
