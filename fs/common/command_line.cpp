#include "fs/common/command_line.h"

namespace mirrorfs {

namespace po = boost::program_options;

std::vector<po::option> tokens_of(const std::vector<std::string>& words,
                                  po::options_description description) {
  constexpr const char* kPositional = "positional";
  description.add_options()(kPositional, po::value<std::string>());
  po::positional_options_description positional;
  positional.add(kPositional, -1);
  constexpr int kStyle =
      po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  std::vector<po::option> tokens = po::command_line_parser(words)
                                       .options(description)
                                       .positional(positional)
                                       .style(kStyle)
                                       .run()
                                       .options;
  for (const po::option& token : tokens) {
    // The name is Boost's alone.
    const bool is_named = token.string_key == kPositional && token.position_key < 0;
    if (is_named) throw po::unknown_option("--positional");
  }
  return tokens;
}

}  // namespace mirrorfs
