// Replicas that take names for the same which differ in case only.
#include <strings.h>

#include <algorithm>
#include <cerrno>

#include "engine/compare/entry.h"
#include "engine/objects/listing.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {
namespace {

/// The name that the replica has for what it shows under another one; empty: it is not told.
std::string name_there(const std::vector<objects::Dirent>& listed, const std::string& name,
                       const Metadata& object) {
  const auto same = std::ranges::find_if(listed, [&](const objects::Dirent& entry) {
    return ::strcasecmp(entry.name.c_str(), name.c_str()) == 0;
  });
  if (same != listed.end()) return same->name;
  const auto inode = std::ranges::find(listed, object.ino, &objects::Dirent::ino);
  return inode == listed.end() ? std::string() : inode->name;
}

}  // namespace

ring::Task<Result<bool>> lists_name(ring::Ring& ring, int directory, std::string name) {
  Result<std::vector<objects::Dirent>> listed = co_await objects::list_directory(ring, directory);
  if (!listed) co_return pass_on(std::move(listed));
  co_return std::ranges::find(*listed, name, &objects::Dirent::name) != listed->end();
}

ring::Task<Result<void>> settle_case(const EntryPair& entry, const Known& source, Known& replica) {
  ring::Ring& ring = entry.context.ring;
  if (entry.directory.replica < 0) co_return Result<void>{};
  if (!replica.metadata) {
    // Known to be absent from a listing: the other name is in it.
    Result<Metadata> found = co_await ring.statx(entry.directory.replica, entry.name.c_str());
    if (!found) co_return Result<void>{};
    replica.metadata = *found;
  }
  Result<std::vector<objects::Dirent>> listed =
      co_await objects::list_directory(ring, entry.directory.replica);
  if (!listed) co_return pass_on(std::move(listed));
  const bool exact =
      std::ranges::find(*listed, entry.name, &objects::Dirent::name) != listed->end();
  if (exact) co_return Result<void>{};
  const std::string other = name_there(*listed, entry.name, *replica.metadata);
  replica.metadata.reset();
  if (!source.metadata) co_return Result<void>{};
  if (other.empty()) co_return fail(ENOTUNIQ, "make (the replica folds its name)");
  Result<Metadata> kept = co_await ring.statx(entry.directory.source, other.c_str());
  if (!kept && kept.error().code == ENOENT) {
    co_return fail(EBUSY, "make (the same name in another case is still to go)");
  }
  co_return fail(ENOTUNIQ, "make (the replica has one name for what differs in case)");
}

}  // namespace mirrorfs::compare
