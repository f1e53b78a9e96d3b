#include "mirrorfs/losses.h"

#include <algorithm>

namespace mirrorfs {

std::string_view to_string(Loss loss) {
  switch (loss) {
    case Loss::kOwner: return "owner";
    case Loss::kMode: return "mode";
    case Loss::kXattr: return "xattr";
    case Loss::kAcl: return "acl";
    case Loss::kTimes: return "times";
    case Loss::kLinks: return "links";
    case Loss::kSpecial: return "special";
  }
  return "?";
}

std::vector<std::string> Losses::names() const {
  std::vector<std::string> found;
  for (const Loss loss : kAllLosses) {
    if (contains(loss)) found.emplace_back(to_string(loss));
  }
  return found;
}

std::string Losses::text() const {
  std::string list;
  for (const std::string& name : names()) {
    if (!list.empty()) list += ',';
    list += name;
  }
  return list;
}

std::optional<Losses> parse_losses(std::string_view text) {
  Losses losses;
  while (true) {
    const std::string_view name = text.substr(0, text.find_first_of(",:"));
    const auto loss =
        std::ranges::find_if(kAllLosses, [&](Loss one) { return to_string(one) == name; });
    if (loss == kAllLosses.end()) return std::nullopt;
    losses.add(*loss);
    if (name.size() == text.size()) return losses;
    text.remove_prefix(name.size() + 1);
  }
}

}  // namespace mirrorfs
