// What can be offered as an option's value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mirrorfs::completion {

struct Values {
  std::vector<std::string> words;  ///< these and no others
  bool directories = false;
  bool files = false;
};

/// `allowed` as the option tables describe a value: "async, fsync or sync", "a directory", "a
/// file". Nothing can be offered where it describes something else.
[[nodiscard]] Values values_of(std::string_view allowed);

}  // namespace mirrorfs::completion
