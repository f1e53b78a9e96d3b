// A second look at what a comparison of two live trees has found.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace mirrorfs {

enum class Finding {
  kEqual,
  kDiffers,  ///< though nothing is marked, queued or under way that would make it equal
  kKnown,    ///< the replica lacks it, and it is marked or queued: it will be tried again
  kBusy,     ///< it never stood still: nothing can be said
  kFailed,   ///< it cannot be compared
};

struct Examined {
  Finding finding = Finding::kEqual;
  std::string what;  ///< "content", "missing on the replica", …, or why it failed
};

struct ExamineRequest {
  std::vector<std::string> paths;  ///< relative to the roots; empty: the roots themselves
  bool full = false;               ///< compare content, not only size and mtime
  bool repair = false;  ///< what differs is marked, and so reconciled: by content, in its turn
  std::chrono::milliseconds patience{5000};  ///< for what does not stand still
};

}  // namespace mirrorfs
