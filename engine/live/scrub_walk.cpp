// Where a scrub goes, and what it looks at.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "engine/copy/content.h"
#include "engine/live/scrubber.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/listing.h"
#include "engine/ring/sync.h"
#include "mirrorfs/log.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::live {
namespace {

constexpr std::size_t kNamesAtOnce = 4096;
constexpr std::size_t kChildrenAtOnce = 1024;
constexpr std::size_t kMostSuspects = 256;
constexpr std::size_t kConfirmedAtOnce = 8;
/// Content that the kernel wrote past the daemon is told some time later.
constexpr std::chrono::seconds kBetweenLooks{2};
constexpr std::chrono::seconds kPatience{30};

std::string joined(const std::vector<std::string>& names) {
  std::string path;
  for (const std::string& name : names) {
    if (!path.empty()) path += '/';
    path += name;
  }
  return path;
}

/// "content", "missing on the replica", "mode": what lines of the log are counted by.
std::string kind_of(const std::string& what) {
  const std::size_t end = what.find_first_of("0123456789'!");
  return "scrub " + what.substr(0, std::min(end, what.find(',')));
}

}  // namespace

std::vector<std::string> Scrubber::way() const {
  std::vector<std::string> names;
  for (std::size_t at = 1; at < levels_.size(); ++at) names.push_back(levels_[at].name);
  return names;
}

/// Directories in the order of their names, each before those in it. A pass that was interrupted
/// goes on with the directory that it stood in. False: it was interrupted.
ring::Task<bool> Scrubber::walk() {
  std::vector<std::string> resume = components_of(record_.position);
  levels_.clear();
  levels_.emplace_back();
  if (resume.empty()) {
    std::vector<std::string> root;
    const bool visited = co_await visit(std::move(root));
    if (!visited) co_return false;
  }
  std::string from;
  if (!resume.empty()) from = resume.front();
  co_await list_children(std::move(from));
  while (!levels_.empty()) {
    const bool descended = co_await descend();
    if (!descended) continue;
    const std::vector<std::string> here = way();
    const bool on_the_way = here.size() < resume.size() &&
                            std::ranges::equal(here, std::span(resume).first(here.size()));
    from.clear();
    if (on_the_way) {
      from = resume[here.size()];
    } else {
      resume.clear();
      record_.position = joined(here);
      co_await save_sometimes();
      const bool visited = co_await visit(here);
      if (!visited) co_return false;
    }
    co_await list_children(std::move(from));
  }
  co_return true;
}

/// Into the next directory of the last level; false: that level has ended, or got more names.
ring::Task<bool> Scrubber::descend() {
  Level& level = levels_.back();
  if (level.children.empty() && level.next.empty()) {
    levels_.pop_back();
    co_return false;
  }
  if (level.children.empty()) {
    std::string from = std::exchange(level.next, {});
    co_await list_children(std::move(from));
    co_return false;
  }
  Level next;
  next.name = std::move(level.children.back());
  level.children.pop_back();
  levels_.push_back(std::move(next));
  co_return true;
}

/// Of the last level.
ring::Task<void> Scrubber::list_children(std::string from) {
  std::vector<std::string> names = way();
  const Result<Examiner::Directory> directory = co_await examiner_.open(std::move(names));
  if (!directory) co_return;  // gone, or missing on the replica: marked with its parent
  auto children = co_await objects::list_directories(state_.ring, directory->source->get(), from,
                                                     kChildrenAtOnce);
  if (!children) co_return;
  Level& level = levels_.back();
  if (children->size() == kChildrenAtOnce) level.next = objects::name_behind(children->back());
  if (directory->steps.empty()) std::erase(*children, kReservedName);
  const std::string here = joined(way());
  std::erase_if(*children, [&](const std::string& child) {
    return state_.exclusion.leaves_alone(exclude::joined(here, child), true, std::nullopt);
  });
  std::ranges::reverse(*children);
  level.children = std::move(*children);
}

/// Its own attributes, where nobody else looks at them, and its entries.
ring::Task<bool> Scrubber::visit(std::vector<std::string> names) {
  const Result<Examiner::Directory> directory = co_await examiner_.open(std::move(names));
  if (!directory) co_return wanted();
  std::string from;  // and the name of the directory itself
  if (directory->steps.empty()) {
    const bool done = co_await visit_entry(*directory, from);
    if (!done) co_return false;
  }
  do {
    auto some = co_await objects::list_some(state_.ring, directory->source->get(),
                                            directory->replica->get(), from, kNamesAtOnce);
    if (!some) break;
    std::vector<std::string> all;
    std::ranges::set_union(some->source, some->replica, std::back_inserter(all));
    for (const std::string& name : all) {
      if (directory->steps.empty() && name == kReservedName) continue;
      const bool done = co_await visit_entry(*directory, name);
      if (!done) co_return false;
      if (suspects_.size() >= kMostSuspects) co_await confirm_all();
    }
    from = some->next;
  } while (!from.empty());
  co_await confirm_all();
  co_return wanted();
}

void Scrubber::suspect(const Examiner::Directory& directory, const std::string& name) {
  std::vector<std::string> names;
  for (const Location& step : directory.steps) names.push_back(step.name);
  if (!name.empty()) names.push_back(name);
  suspects_.push_back(joined(names));
}

/// Looks at it once. What is marked or under way is left to those who work on it.
ring::Task<bool> Scrubber::visit_entry(const Examiner::Directory& directory,
                                       const std::string& name) {
  const bool go_on = co_await spend(ScrubPace::kObjectWork);
  if (!go_on) co_return false;
  ++objects_;
  ++record_.objects;
  const Examiner::Look look = co_await examiner_.look(directory, name, false);
  const Metadata* const source = look.source ? &*look.source : nullptr;
  if (look.failure) {
    log_repeating(LogLevel::kWarn, "scrub " + std::string(look.failure->operation),
                  "scrub: " + look.failure->message());
    co_return true;
  }
  if (examiner_.owed(directory, name, source) != Examiner::Owed::kNothing) co_return true;
  if (!look.what.empty()) {
    suspect(directory, name);
    co_return true;
  }
  if (source == nullptr || !source->is_regular() || source->size == 0) co_return true;
  const Result<bool> same = co_await compare_content(directory, name, source->size);
  if (same && !*same) suspect(directory, name);
  if (!same && !wanted()) co_return false;
  if (!same && !objects::means_vanished(same.error().code)) {
    // As if it differed: a look that fails again tells so, and what cannot be read is written anew.
    suspect(directory, name);
  }
  co_return true;
}

ring::Task<Result<bool>> Scrubber::compare_content(const Examiner::Directory& directory,
                                                   std::string name, std::uint64_t size) {
  Result<UniqueFd> source =
      co_await objects::open_for_reading(state_.ring, directory.source->get(), name.c_str());
  if (!source) co_return pass_on(std::move(source));
  Result<UniqueFd> replica =
      co_await objects::open_for_reading(state_.ring, directory.replica->get(), name.c_str());
  if (!replica) co_return pass_on(std::move(replica));
  const copy::Pace pace = [this](std::uint64_t bytes) -> ring::Task<bool> {
    const bool go_on = co_await spend(bytes);
    bytes_ += bytes;
    record_.bytes += bytes;
    co_return go_on;
  };
  Result<bool> same =
      co_await copy::compare_uncached(state_.ring, source->get(), replica->get(), size, pace);
  co_return same;
}

/// After some time, and all that differed at once: a look at each may have to wait.
ring::Task<void> Scrubber::confirm_all() {
  if (suspects_.empty()) co_return;
  const std::vector<std::string> paths = suspects_;
  const bool slept = co_await state_.ring.sleep(kBetweenLooks);
  for (std::size_t at = 0; slept && wanted() && at < paths.size(); at += kConfirmedAtOnce) {
    ring::TaskGroup group(state_.ring);
    const std::size_t end = std::min(paths.size(), at + kConfirmedAtOnce);
    for (std::size_t one = at; one < end; ++one) group.spawn(confirm(paths[one]));
    co_await group.join();
  }
  suspects_.clear();
}

ring::Task<void> Scrubber::confirm(std::string path) {
  const Examiner::Options options{.full = true,
                                  .repair = true,
                                  .between = kBetweenLooks,
                                  .deadline = state_.ring.now() + kPatience};
  const Examined found = co_await examiner_.examine(path, options);
  const std::string name = path.empty() ? "." : path;
  if (found.finding == Finding::kFailed) {
    log_repeating(LogLevel::kWarn, "scrub failed",
                  fmt::format("scrub: '{}' cannot be compared: {}", name, found.what));
  }
  if (found.finding != Finding::kDiffers) co_return;
  ++differences_;
  ++record_.differences;
  log_repeating(LogLevel::kWarn, kind_of(found.what),
                fmt::format("scrub: the replica differs though nothing was changed there by us: "
                            "'{}': {}; it is reconciled",
                            name, found.what));
}

}  // namespace mirrorfs::live
