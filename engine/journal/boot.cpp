#include "engine/journal/boot.h"

#include <fcntl.h>

#include "engine/journal/small_file.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

std::string boot_id() {
  const UniqueFd directory(::open("/proc/sys/kernel/random", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return {};
  const Result<std::optional<std::string>> id = read_small_file(directory.get(), "boot_id");
  if (!id || !*id) return {};
  std::string text = **id;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace mirrorfs::journal
