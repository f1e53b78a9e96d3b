// The objects of the source that the kernel knows, as fs/nodes keeps them: one node per object, its
// names, its lock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actor.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {

struct Node;
using NodeRef = std::shared_ptr<Node>;

struct Node {
  struct Name {
    NodeRef parent;
    std::string name;
    bool operator==(const Name&) const = default;
  };

  std::uint64_t number = 0;  ///< locks are taken in this order
  ObjectId object;
  mode_t type = 0;
  UniqueFd fd;  ///< O_PATH; leads to the object whatever its name
  std::vector<Name> names;
  bool learnt = false;
  const Actor* locked_by = nullptr;

  [[nodiscard]] bool is_directory() const { return S_ISDIR(type); }
  [[nodiscard]] bool is_regular() const { return S_ISREG(type); }
};

/// A node stays as long as the kernel remembers it or somebody holds a NodeRef.
class Nodes {
 public:
  Nodes() = default;
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  [[nodiscard]] const NodeRef& root() const { return root_; }
  void set_root(const Metadata& metadata, UniqueFd fd);

  [[nodiscard]] NodeRef acquire(const Metadata& metadata, UniqueFd fd);
  [[nodiscard]] NodeRef find(const ObjectId& object) const;
  /// The kernel gets the node in a reply.
  void remember(const NodeRef& node);
  /// It forgets the `index`-th of those it remembers and all below it, as under memory pressure.
  void forget(std::size_t index);
  void forget_all() { remembered_.clear(); }
  [[nodiscard]] std::size_t remembered() const { return remembered_.size(); }

  void add_name(const NodeRef& node, const NodeRef& parent, const std::string& name);
  static void remove_name(const NodeRef& node, const NodeRef& parent, const std::string& name);
  [[nodiscard]] static std::optional<Location> location(const NodeRef& node);
  [[nodiscard]] static bool is_at(const NodeRef& node, const NodeRef& parent,
                                  const std::string& name);

 private:
  NodeRef root_;
  std::uint64_t made_ = 0;
  std::vector<NodeRef> remembered_;
  std::map<ObjectId, std::weak_ptr<Node>> known_;
};

/// Held by one actor; the same exclusion as fs::NodeLocks gives.
class NodeLocks {
 public:
  /// Null and repeated nodes are skipped.
  [[nodiscard]] static Task<NodeLocks> take(NodeRef first, NodeRef second = {}, NodeRef third = {},
                                            NodeRef fourth = {});
  NodeLocks(NodeLocks&& other) noexcept : held_(std::exchange(other.held_, {})) {}
  NodeLocks& operator=(NodeLocks&&) = delete;
  ~NodeLocks() { unlock(); }
  void unlock();

 private:
  NodeLocks() = default;
  std::vector<NodeRef> held_;
};

}  // namespace mirrorfs::simulation
