#include "engine/live/verdict.h"

#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>

namespace mirrorfs::live {
namespace {

using stream::Relation;

/// How the entries that an operation touches stand to marks, walks and readings, taken together.
struct Standing {
  bool any_known = false;     ///< the directory of one of them is known
  bool all_clean = true;      ///< all directories are known, and no entry is marked
  bool any_read = false;      ///< the last reading of one has the operation, or may have it
  bool other_object = false;  ///< a reading showed another object in its place
};

Standing standing_of(const LiveState& state, const stream::Recorded& recorded,
                     const std::vector<Location>& entries) {
  Standing standing;
  const auto object = stream::changed_object(recorded.operation);
  for (const Location& entry : entries) {
    const bool known = state.directories.is_known(entry.parent);
    standing.any_known |= known;
    if (!known || state.marks.is_marked(entry)) standing.all_clean = false;
    standing.any_read |= state.readings.relation(entry, recorded) != Relation::kAfter;
    standing.other_object |= object && state.readings.showed_another(entry, *object, recorded);
  }
  return standing;
}

/// Whether the table has directories only where the operation says that they were.
class AgreesWithTable {
 public:
  explicit AgreesWithTable(const LiveState& state) : state_(state) {}

  bool operator()(const MakeDirectory& made) const {
    return !state_.directories.contains(made.object) && nothing_at(made.where);
  }
  bool operator()(const RemoveDirectory& removed) const {
    return stands(removed.object, S_IFDIR, removed.where);
  }
  bool operator()(const Rename& rename) const {
    const bool moved = stands(rename.object, rename.type, rename.from);
    if (!rename.replaced) return moved && nothing_at(rename.to);
    return moved && stands(*rename.replaced, rename.replaced_type, rename.to);
  }
  template <class Entry>
    requires requires(const Entry& entry) {
      entry.where.parent;
      entry.parent_after;
    }
  bool operator()(const Entry& entry) const {
    return nothing_at(entry.where);
  }
  template <class Other>
  bool operator()(const Other&) const {
    return true;
  }

 private:
  [[nodiscard]] bool nothing_at(const Location& place) const {
    return !state_.directories.at(place);
  }
  [[nodiscard]] bool stands(const ObjectId& object, mode_t type, const Location& place) const {
    if (!S_ISDIR(type)) return nothing_at(place);
    if (!state_.directories.contains(object))
      return state_.directories.trusting() && nothing_at(place);
    return state_.directories.where(object) == place;
  }

  const LiveState& state_;
};

/// A link is made from another name, which has to be the right object on the replica.
bool can_link_from(const LiveState& state, const Location& existing,
                   const stream::Recorded& recorded) {
  return state.directories.is_known(existing.parent) && !state.marks.is_marked(existing) &&
         state.readings.relation(existing, recorded) == Relation::kAfter;
}

/// A directory is told once; what a reading or a mark tells better is left to it.
Verdict judge_learnt(const LiveState& state, const LearnDirectory& learn,
                     const stream::Recorded& recorded) {
  if (state.directories.contains(learn.object)) return Verdict::kSkip;
  if (state.boundaries.leaves_alone(learn.where, learn.object)) return Verdict::kSkip;
  if (!state.directories.is_known(learn.where.parent)) return Verdict::kSkip;
  if (state.marks.is_marked(learn.where)) return Verdict::kSkip;
  if (state.directories.excludes(learn.where, true)) return Verdict::kSkip;
  const bool untouched = state.readings.relation(learn.where, recorded) == Relation::kAfter;
  const bool names_are_names = !state.rights.fidelity.replica.folds_case;
  return state.directories.trusting() && names_are_names && untouched &&
                 !state.directories.at(learn.where)
             ? Verdict::kApply
             : Verdict::kMark;
}

using Placement = state::DirectoryTable::Placement;

/// One name of a rename, and what an object of that type is there.
struct Step {
  const Location& where;
  bool is_directory;
};

/// Of an excluded entry: something of another type is not, and the replica may have it there since
/// the source had.
bool may_be_another(const LiveState& state, const Location& where, bool is_directory) {
  return !state.directories.excludes(where, !is_directory);
}

/// What has the names of a rename, before and after.
std::vector<Step> steps_of(const Rename& rename) {
  const bool directory = S_ISDIR(rename.type);
  std::vector<Step> steps = {{rename.from, directory}, {rename.to, directory}};
  if ((rename.flags & RENAME_EXCHANGE) == 0 || !rename.replaced) return steps;
  const bool other = S_ISDIR(rename.replaced_type);
  if (other == directory) return steps;
  steps.push_back({rename.to, other});
  steps.push_back({rename.from, other});
  return steps;
}

/// Nothing: what is excluded has no part in it, and what is below moves as it is.
std::optional<Verdict> judge_excluded_rename(const LiveState& state, const Rename& rename) {
  bool any_included = false, any_excluded = false;
  for (const Step& step : steps_of(rename)) {
    switch (state.directories.placement(step.where, step.is_directory)) {
      case Placement::kUnknown: return Verdict::kMark;
      case Placement::kIncluded: any_included = true; break;
      case Placement::kExcluded:
        any_excluded = true;
        any_included |= may_be_another(state, step.where, step.is_directory);
        break;
      case Placement::kAbsent: break;
    }
  }
  if (any_excluded) return any_included ? Verdict::kMark : Verdict::kExcluded;
  const bool directory = S_ISDIR(rename.type) || S_ISDIR(rename.replaced_type);
  if (!any_included || !directory) return std::nullopt;
  if (!state.directories.move_matters(rename.from, rename.to)) return std::nullopt;
  return Verdict::kMark;
}

/// Nothing: what is excluded has no part in it.
std::optional<Verdict> judge_excluded(const LiveState& state, const Operation& operation) {
  if (state.exclusion.empty()) return std::nullopt;
  if (const auto* rename = std::get_if<Rename>(&operation)) {
    return judge_excluded_rename(state, *rename);
  }
  const std::vector<Location> entries = stream::touched_entries(operation);
  if (entries.empty()) return std::nullopt;
  switch (state.directories.placement(entries.front(), stream::is_of_directory(operation))) {
    case Placement::kUnknown: return Verdict::kMark;
    case Placement::kExcluded: {
      const bool names = !stream::changed_object(operation);
      const bool marked =
          names && may_be_another(state, entries.front(), stream::is_of_directory(operation));
      return marked ? Verdict::kMark : Verdict::kExcluded;
    }
    case Placement::kAbsent:
    case Placement::kIncluded: break;
  }
  const auto* link = std::get_if<Link>(&operation);
  const bool from_outside =
      link != nullptr && link->existing && state.directories.excludes(*link->existing, false);
  return from_outside ? std::optional(Verdict::kMark) : std::nullopt;
}

}  // namespace

std::vector<ObjectId> moved_outside(const LiveState& state, const Operation& operation) {
  const auto* rename = std::get_if<Rename>(&operation);
  if (rename == nullptr || state.exclusion.empty()) return {};
  std::vector<ObjectId> moved;
  const auto look = [&](const ObjectId& object, mode_t type, const Location& from,
                        const Location& to) {
    if (!S_ISDIR(type) || state.directories.where(object) != from) return;
    const Placement now = state.directories.placement(to, true);
    if (now == Placement::kExcluded || now == Placement::kAbsent) moved.push_back(object);
  };
  look(rename->object, rename->type, rename->from, rename->to);
  const bool exchange = (rename->flags & RENAME_EXCHANGE) != 0 && rename->replaced;
  if (exchange) look(*rename->replaced, rename->replaced_type, rename->to, rename->from);
  return moved;
}

Verdict judge(const LiveState& state, const stream::Recorded& recorded) {
  const Operation& operation = recorded.operation;
  if (const auto* learn = std::get_if<LearnDirectory>(&operation)) {
    return judge_learnt(state, *learn, recorded);
  }
  if (const auto excluded = judge_excluded(state, operation)) return *excluded;
  const Standing standing = standing_of(state, recorded, stream::touched_entries(operation));
  if (const auto object = stream::changed_object(operation)) {
    if (!standing.all_clean || standing.other_object) return Verdict::kSkip;
    return state.links.is_split(*object) ? Verdict::kMark : Verdict::kApply;
  }
  const bool at_a_boundary =
      std::ranges::any_of(stream::touched_entries(operation),
                          [&](const Location& entry) { return state.boundaries.concerns(entry); });
  // Whether the replica can tell the names apart is known to reconciles only.
  const bool names_are_names = !state.rights.fidelity.replica.folds_case;
  bool exact = names_are_names && !at_a_boundary && standing.all_clean && !standing.any_read &&
               std::visit(AgreesWithTable(state), operation);
  if (const auto* link = std::get_if<Link>(&operation); link != nullptr && link->existing) {
    exact = exact && can_link_from(state, *link->existing, recorded);
  }
  if (exact) return Verdict::kApply;
  return standing.any_known ? Verdict::kMark : Verdict::kSkip;
}

/// An absent directory may be one that an operation still under way makes.
bool is_covered(const LiveState& state, const Operation& operation) {
  const std::vector<Location> entries = stream::touched_entries(operation);
  return !entries.empty() && std::ranges::all_of(entries, [&](const Location& entry) {
    const auto directory = state.directories.state(entry.parent);
    if (directory && *directory != state::DirectoryState::kKnown) return true;
    return state.marks.is_marked(entry);
  });
}

}  // namespace mirrorfs::live
