// A directory of the walk that the replica lacks, built in the staging folder.
#pragma once

#include <memory>
#include <string>

#include "engine/compare/reconcile.h"
#include "engine/compare/walk_node.h"

namespace mirrorfs::compare {

/// For the time that the directory's own entries are worked on. Ring thread.
class HiddenNode final : public HiddenDirectory {
 public:
  HiddenNode(const Context& context, WalkDescriptors& descriptors, std::shared_ptr<WalkNode> node)
      : context_(context), descriptors_(descriptors), node_(std::move(node)) {}

  /// Makes it and opens both sides. Fails as opening the source's directory does.
  [[nodiscard]] ring::Task<Result<std::shared_ptr<const OpenPair>>> build();
  [[nodiscard]] ring::Task<Result<void>> publish() override;
  /// Removes what was built, if it was not published; then there is no such directory.
  [[nodiscard]] ring::Task<void> discard();

 private:
  [[nodiscard]] ring::Task<Result<void>> move_to(int parent);

  Context context_;
  WalkDescriptors& descriptors_;
  const std::shared_ptr<WalkNode> node_;
  std::string name_;  // in the staging folder; empty: not there
};

}  // namespace mirrorfs::compare
