// The list of names within a node; its owner, the node table, guards it.
#pragma once

#include <cstddef>
#include <string_view>

#include "fs/nodes/node.h"

namespace mirrorfs::fs {

/// Works on a node's names, the first of which lies in the node itself. Parents are counted
/// references: taking a name out returns the parent to release.
class NodeNames {
 public:
  /// More names than this are not remembered: any known one will do.
  static constexpr std::size_t kMost = 16;

  explicit NodeNames(Node& node) : node_(node) {}

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] Node* parent(std::size_t index) const { return at(index).parent; }
  [[nodiscard]] const std::string& name(std::size_t index) const { return at(index).name; }
  [[nodiscard]] bool contains(const Node* parent, std::string_view name) const;

  void add(Node& parent, std::string_view name);  ///< the reference is the caller's to count
  /// The parent of the name taken out; null when the name is not known.
  [[nodiscard]] Node* take(const Node* parent, std::string_view name);
  [[nodiscard]] Node* take_any();

 private:
  [[nodiscard]] Node::Name& at(std::size_t index) const;
  [[nodiscard]] Node* take_at(std::size_t index);

  Node& node_;
};

}  // namespace mirrorfs::fs
