// The words of a command line, told apart in one way for both programs.
#pragma once

#include <boost/program_options.hpp>

#include <string>
#include <vector>

namespace mirrorfs {

/// Options and positional words in the order given; those of the latter have a position_key of 0 or
/// more. Long names are not abbreviated: that would change their meaning with every option that is
/// added. Throws boost::program_options::error.
[[nodiscard]] std::vector<boost::program_options::option> tokens_of(
    const std::vector<std::string>& words, boost::program_options::options_description description);

}  // namespace mirrorfs
