#include "engine/compare/entry.h"
#include "engine/compare/reconcile.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {
namespace {

ring::Task<Result<Metadata>> known_or_asked(ring::Ring& ring, std::optional<Metadata> known,
                                            int dirfd) {
  if (known) co_return *known;
  Result<Metadata> found = co_await ring.statx(dirfd, "", AT_EMPTY_PATH);
  co_return found;
}

ring::Task<Result<bool>> finish(Context& context, const DirectoryPair& directory,
                                const std::string& name, const FinishOptions& options,
                                const Policy& policy) {
  Result<Metadata> source = co_await known_or_asked(context.ring, options.source, directory.source);
  if (!source) co_return pass_on(std::move(source));
  Result<objects::Xattrs> wanted = objects::read_xattrs(directory.source, context.rights);
  if (!wanted) co_return pass_on(std::move(wanted));
  // A new directory may have inherited default ACLs and the group of its parent.
  Result<objects::Xattrs> present = objects::read_xattrs(directory.replica, context.rights);
  if (!present) co_return pass_on(std::move(present));
  objects::AttributeSet which = objects::AttributeSet::all();
  bool differed = false;
  if (!options.created) {
    Result<Metadata> replica =
        co_await known_or_asked(context.ring, options.replica, directory.replica);
    if (!replica) co_return pass_on(std::move(replica));
    which = objects::differing(*source, *wanted, *replica, *present, context.rights);
    differed = which.any();
    if (differed) context.observer.difference(name, describe(which, *source, *replica));
    if (options.touched) which.mode = which.times = true;
  }
  if (policy.dry_run || !which.any()) co_return differed;
  Result<objects::Refusal> applied = context.writer.apply_attributes(
      directory.replica, which, *source, *wanted, *present, context.rights);
  if (!applied) co_return pass_on(std::move(applied));
  if (*applied) context.observer.refused(name, **applied);
  if (differed) context.observer.attributes_set(name);
  co_return differed || options.created;
}

}  // namespace

ring::Task<Result<bool>> finish_directory(Context context, DirectoryPair directory,
                                          std::string name, FinishOptions options, Policy policy) {
  if (directory.replica < 0) co_return true;  // dry_run: it is missing, as reported
  Result<bool> done = co_await finish(context, directory, name, options, policy);
  if (!done) context.observer.failed(name, done.error());
  co_return done;
}

}  // namespace mirrorfs::compare
