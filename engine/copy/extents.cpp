#include "engine/copy/extents.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace mirrorfs::copy {

Result<Extents> data_extents(int fd, ByteRange within) {
  Extents found;
  std::uint64_t at = within.offset;
  while (at < within.end()) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // nothing but a hole up to the end
    if (data < 0 && errno == EINVAL) return Extents{within};
    if (data < 0) return fail_errno("lseek SEEK_DATA");
    const auto begin = static_cast<std::uint64_t>(data);
    if (begin >= within.end()) break;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0 && errno == ENXIO) break;  // cut short meanwhile
    if (hole < 0) return fail_errno("lseek SEEK_HOLE");
    const std::uint64_t end = std::min(static_cast<std::uint64_t>(hole), within.end());
    // A device that took the name after the look at it answers 0 whatever it is asked (null_lseek).
    if (end <= at) return fail(ESTALE, "lseek SEEK_HOLE");
    if (end > begin) found.push_back({begin, end - begin});
    at = end;
  }
  return found;
}

Extents united(const Extents& a, const Extents& b) {
  Extents all;
  all.reserve(a.size() + b.size());
  std::ranges::merge(a, b, std::back_inserter(all));
  Extents result;
  for (const ByteRange& next : all) {
    if (!result.empty() && next.offset <= result.back().end()) {
      result.back().length = std::max(result.back().end(), next.end()) - result.back().offset;
    } else {
      result.push_back(next);
    }
  }
  return result;
}

Extents without(const Extents& a, const Extents& b) {
  Extents result;
  auto cut = b.begin();
  for (const ByteRange& range : a) {
    std::uint64_t at = range.offset;
    while (cut != b.end() && cut->end() <= at) ++cut;
    for (auto next = cut; next != b.end() && next->offset < range.end(); ++next) {
      if (next->offset > at) result.push_back({at, next->offset - at});
      at = std::max(at, next->end());
    }
    if (at < range.end()) result.push_back({at, range.end() - at});
  }
  return result;
}

Extents in_pieces(const Extents& extents, std::uint64_t most) {
  Extents pieces;
  for (const ByteRange& extent : extents) {
    for (std::uint64_t at = extent.offset; at < extent.end(); at += most) {
      pieces.push_back({at, std::min(most, extent.end() - at)});
    }
  }
  return pieces;
}

}  // namespace mirrorfs::copy
