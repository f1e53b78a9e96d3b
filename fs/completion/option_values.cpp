#include "fs/completion/option_values.h"

#include <regex>

namespace mirrorfs::completion {
namespace {

/// "async, fsync or sync" → its three words; nothing where it is a description.
std::vector<std::string> choices_in(std::string_view allowed) {
  static const std::regex list("[a-z-]+(, [a-z-]+)*( or [a-z-]+)");
  static const std::regex word("[a-z-]+");
  const std::string text(allowed);
  std::vector<std::string> words;
  if (!std::regex_match(text, list)) return words;
  for (std::sregex_iterator i(text.begin(), text.end(), word), end; i != end; ++i) {
    if (i->str() != "or") words.push_back(i->str());
  }
  return words;
}

}  // namespace

Values values_of(std::string_view allowed) {
  Values values{.words = choices_in(allowed)};
  if (!values.words.empty()) return values;
  values.directories = allowed.find("directory") != std::string_view::npos;
  values.files = allowed == "a file" || allowed == "a file of patterns";
  return values;
}

}  // namespace mirrorfs::completion
