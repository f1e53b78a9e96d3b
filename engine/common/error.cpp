#include "mirrorfs/error.h"

#include <system_error>

namespace mirrorfs {

std::string Error::message() const {
  std::string text = operation;
  if (!name.empty()) text.append(text.empty() ? "'" : " '").append(name).append("'");
  if (!text.empty()) text.append(": ");
  return text.append(std::generic_category().message(code));
}

}  // namespace mirrorfs
