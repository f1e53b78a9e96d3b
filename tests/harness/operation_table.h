// Every kind of call that changes something, as a table: for tests that try each on each object.
#pragma once

#include <functional>
#include <vector>

#include "calls.h"

namespace mirrorfs::test {

/// A call on the object at a path, which may be of any kind, or may not fit it: then it throws what
/// the system says. Beside the object, in its folder, stand the file "sibling", the directories
/// "room" (empty) and "full", and the symlink "pointer".
struct PathOperation {
  const char* name;
  std::function<void(const Path& object)> act;
};
[[nodiscard]] const std::vector<PathOperation>& path_operations();
void make_company(const Path& folder);  ///< what stands beside the object

/// A call through a descriptor of a regular file, open for reading and writing; `folder` is where
/// new names may be made.
struct DescriptorOperation {
  const char* name;
  std::function<void(int fd, const Path& folder)> act;
};
[[nodiscard]] const std::vector<DescriptorOperation>& descriptor_operations();

/// An access control list with one named user, as the value of system.posix_acl_*.
[[nodiscard]] std::string some_acl(unsigned user, unsigned permissions);

}  // namespace mirrorfs::test
