// One object of the source that the kernel, a request or an open handle refers to.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fs/nodes/source_tree.h"
#include "mirrorfs/types.h"

namespace mirrorfs::fs {

class NodeTable;
class NodeRef;
struct CachedDescriptor;

/// The kernel's name of a node (its «inode number» of the protocol): counted up, never reused.
struct NodeId {
  std::uint64_t value = 0;
  auto operator<=>(const NodeId&) const = default;
};
inline constexpr NodeId kRootNode{1};

/// What a look at a file that is being written showed, with what the mount has done to it since.
struct SeenAttributes {
  using Clock = std::chrono::steady_clock;
  Metadata metadata;
  Clock::time_point at;  ///< of the look
};

/// Whether the object carries security.capability, which writes and chown remove.
enum class FileCapabilities : std::uint8_t { kUnknown, kAbsent, kPresent };

/// Kept small: there is one for each name the kernel remembers. Made and destroyed by NodeTable.
class Node {
 public:
  Node(NodeId id, const ObjectId& object, mode_t mode) : id_(id), object_(object), mode_(mode) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] const ObjectId& object() const { return object_; }
  [[nodiscard]] mode_t type() const { return mode_.load(std::memory_order_relaxed) & S_IFMT; }
  [[nodiscard]] bool is_directory() const { return type() == S_IFDIR; }
  [[nodiscard]] bool is_regular() const { return type() == S_IFREG; }

  /// The mode as last seen; set under the node's lock.
  [[nodiscard]] mode_t known_mode() const { return mode_.load(std::memory_order_relaxed); }
  void set_known_mode(mode_t mode) { mode_.store(mode, std::memory_order_relaxed); }

  /// Guarded by the node's lock.
  FileCapabilities capabilities = FileCapabilities::kUnknown;
  bool capabilities_taken = false;  ///< by the latest request for this object
  /// Of a directory: the latest look-up in it found nothing, so that the next may well do so, too.
  bool lookup_missed = false;
  /// Null unless the file is being written. Every change takes it away (ChangeLocks), and gives it
  /// back if it can tell what it did.
  std::unique_ptr<SeenAttributes> seen;
  /// It is open in a way in which its content changes without a request (Captures).
  bool changes_unseen = false;
  /// Opened for reading and writing once. Guarded by OpenModes.
  bool was_updated = false;

 private:
  friend class NodeTable;
  friend class NodeNames;
  friend class NodeLocks;
  friend class NodeRef;
  friend class DescriptorCache;

  struct Name {
    Node* parent = nullptr;  ///< a counted reference
    std::string name;
  };

  const NodeId id_;
  const ObjectId object_;

  /// Orders the changes to the object and, for a directory, to the names in it. Taken through
  /// NodeLocks only.
  std::mutex mutex_;
  std::atomic<mode_t> mode_;
  std::atomic<std::uint32_t> references_{0};

  // The rest is guarded by the table's mutex.
  bool learnt_ = false;  ///< the engine knows this directory
  bool linked_ = false;  ///< it had several names when it was looked at last
  std::uint64_t lookups_ = 0;
  Name name_;  ///< parent is null when no name is known
  std::unique_ptr<std::vector<Name>> more_names_;
  CachedDescriptor* cached_ = nullptr;
  FileHandleBytes handle_;  ///< known once the descriptor was given up
};

/// Keeps a node, and its place in the table. Like shared_ptr: each object for one thread.
class NodeRef {
 public:
  NodeRef() = default;
  NodeRef(NodeTable& table, Node& node) : table_(&table), node_(&node) {
    node.references_.fetch_add(1, std::memory_order_relaxed);
  }
  NodeRef(const NodeRef& other) : table_(other.table_), node_(other.node_) {
    if (node_ != nullptr) node_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  NodeRef(NodeRef&& other) noexcept
      : table_(other.table_), node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(table_, other.table_);
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef();

  [[nodiscard]] Node* get() const { return node_; }
  Node* operator->() const { return node_; }
  Node& operator*() const { return *node_; }
  explicit operator bool() const { return node_ != nullptr; }
  friend bool operator==(const NodeRef& a, const NodeRef& b) { return a.node_ == b.node_; }

 private:
  NodeTable* table_ = nullptr;
  Node* node_ = nullptr;
};

}  // namespace mirrorfs::fs
