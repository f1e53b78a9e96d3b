// A node table over a directory of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "fs/nodes/node_table.h"

namespace mirrorfs::fs {

class NodeTableTest : public ::testing::Test {
 protected:
  NodeTableTest() {
    std::string pattern = "/tmp/mirrorfs-nodes-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    root_ = UniqueFd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    source_.emplace(SourceTree::open(root_.get()).value());
  }
  ~NodeTableTest() override { std::filesystem::remove_all(folder_); }

  void make(const std::string& name) { std::ofstream(folder_ + "/" + name) << name; }

  /// As an open does it: the file's own descriptor serves the node.
  SharedFd lend_open_file(NodeTable& table, const NodeRef& node, const std::string& name) {
    auto open = std::make_shared<const UniqueFd>(
        ::open((folder_ + "/" + name).c_str(), O_WRONLY | O_CLOEXEC));
    table.lend_descriptor(node, open);
    return open;
  }

  /// As a lookup does it.
  NodeRef look_up(NodeTable& table, const NodeRef& parent, const std::string& name) {
    const auto directory = table.descriptor(parent);
    const auto metadata = source_->stat_at((*directory)->get(), name.c_str());
    EXPECT_TRUE(metadata) << name;
    NodeRef node = table.acquire(*metadata);
    table.add_name(node, parent, name);
    table.add_lookup(node);
    return node;
  }

  std::string folder_;
  UniqueFd root_;
  std::optional<SourceTree> source_;
};

}  // namespace mirrorfs::fs
