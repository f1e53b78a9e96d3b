// Descriptors of removed objects, which take long to close, are freed by a thread of their own.
#include "fs/nodes/removed_descriptors.h"

#include <future>
#include <thread>
#include <vector>

#include "node_table_fixture.h"

namespace mirrorfs::fs {
namespace {

/// A descriptor whose closing waits until the test lets it go on.
SharedFd slow_descriptor(std::future<void> go_on) {
  return {new UniqueFd(::open("/", O_PATH | O_CLOEXEC)),
          [go_on = std::make_shared<std::future<void>>(std::move(go_on))](const UniqueFd* fd) {
            go_on->wait();
            delete fd;
          }};
}

TEST_F(NodeTableTest, ForgettingDoesNotWaitForRemovedObjectsToBeFreed) {
  constexpr std::size_t kFiles = RemovedDescriptors::kMost + 100;
  std::promise<void> go_on;
  NodeTable table(*source_, 8);
  std::vector<NodeRef> nodes;
  for (std::size_t i = 0; i < kFiles; ++i) {
    make(std::to_string(i));
    nodes.push_back(look_up(table, table.root(), std::to_string(i)));
    SharedFd fd = i == 0 ? slow_descriptor(go_on.get_future()) : table.descriptor(nodes[i]).value();
    table.pin_descriptor(nodes[i], std::move(fd));
  }
  for (NodeRef& node : nodes) {
    const NodeId id = node->id();
    node = NodeRef();
    table.forget(id, 1);
    // The thread takes the first one, and this one must not.
    while (&node == &nodes[0] && table.removed_descriptors() > 0) std::this_thread::yield();
  }
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.removed_descriptors(), kFiles - 1) << "the first one is being closed";
  table.make_room_for_removal();
  EXPECT_EQ(table.removed_descriptors(), RemovedDescriptors::kMost);
  go_on.set_value();
  while (table.removed_descriptors() > 0) std::this_thread::yield();
}

}  // namespace
}  // namespace mirrorfs::fs
