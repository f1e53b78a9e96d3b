// How the state and the place of a directory change. Nothing here waits or fails.
#include <utility>

#include "engine/state/directory_table.h"
#include "mirrorfs/invariant.h"
#include "mirrorfs/log.h"

namespace mirrorfs::state {
namespace {

/// Whether somebody who wants a right replica has to wait for it.
bool is_unsettled(DirectoryState state) {
  return state == DirectoryState::kUnplaced || state == DirectoryState::kUnwalked ||
         state == DirectoryState::kWalking;
}

}  // namespace

DirectoryTable::Entry& DirectoryTable::add(const ObjectId& directory, DirectoryState state) {
  const auto [found, fresh] = entries_.try_emplace(directory);
  invariant(fresh, "a directory is added to the table once");
  found->second.id = &found->first;
  found->second.state = state;
  if (is_unsettled(state)) ++unsettled_;
  if (state == DirectoryState::kUnplaced) ++unplaced_;
  return found->second;
}

void DirectoryTable::change(Entry& entry, DirectoryState to) {
  if (!may_follow(entry.state, to)) {
    log_error("a directory is to change from {} to {}", to_string(entry.state), to_string(to));
  }
  invariant(may_follow(entry.state, to), "a directory changes its state as directory_state.h says");
  if (is_unsettled(entry.state)) --unsettled_;
  if (is_unsettled(to)) ++unsettled_;
  if (entry.state == DirectoryState::kUnplaced) --unplaced_;
  if (to == DirectoryState::kUnplaced) ++unplaced_;
  entry.state = to;
}

void DirectoryTable::take_place(Entry& entry, Location where) {
  Entry*& first = first_child_[where.parent];
  entry.next = first;
  entry.previous = nullptr;
  if (first != nullptr) first->previous = &entry;
  first = &entry;
  places_.emplace(where, *entry.id);
  entry.where = std::move(where);
}

void DirectoryTable::leave_place(Entry& entry) {
  if (!entry.where) return;
  places_.erase(*entry.where);
  if (entry.next != nullptr) entry.next->previous = entry.previous;
  if (entry.previous != nullptr) {
    entry.previous->next = entry.next;
  } else if (entry.next != nullptr) {
    first_child_[entry.where->parent] = entry.next;
  } else {
    first_child_.erase(entry.where->parent);
  }
  entry.next = entry.previous = nullptr;
  entry.where.reset();
}

void DirectoryTable::drop_descriptors(Entry& entry) {
  entry.replica.reset();
  entry.source.reset();
  entry.version = ++versions_;
}

/// A place holds one directory: another that the table had there has none until it is placed again.
void DirectoryTable::place(Entry& entry, Location where) {
  invariant(*entry.id != root_, "the root is nowhere but at the root");
  leave_place(entry);
  if (const auto stands_there = at(where)) {
    Entry& other = entries_.at(*stands_there);
    leave_place(other);
    drop_descriptors(other);
    change(other, DirectoryState::kUnplaced);
    displaced_.push_back(*stands_there);
  }
  take_place(entry, std::move(where));
  if (entry.state == DirectoryState::kUnplaced) change(entry, DirectoryState::kUnwalked);
  entry.met = walk_;
  entry.version = ++versions_;
}

void DirectoryTable::see_replica(Entry& entry, const ObjectId& replica) {
  entry.replica_id = replica;
  owners_.own(replica, *entry.id);
}

void DirectoryTable::drop_replica(Entry& entry, SequenceNumber recorded) {
  if (entry.replica_id) owners_.orphan(entry.replica_id, recorded);
  entry.replica_id = {};
  entry.replica.reset();
  entry.version = ++versions_;
}

void DirectoryTable::made(const ObjectId& directory, const Location& where) {
  Entry& entry = add(directory, DirectoryState::kKnown);
  place(entry, where);
}

void DirectoryTable::trusted(const ObjectId& directory, const Location& where,
                             const ObjectId& replica) {
  Entry& entry = add(directory, trusting_ ? DirectoryState::kKnown : DirectoryState::kUnwalked);
  place(entry, where);
  see_replica(entry, replica);
}

void DirectoryTable::moved(const ObjectId& directory, const Location& to) {
  place(entries_.at(directory), to);
}

void DirectoryTable::exchanged(const ObjectId& one, const ObjectId& other) {
  Entry& first = entries_.at(one);
  Entry& second = entries_.at(other);
  invariant(first.where && second.where, "directories that are exchanged have places");
  Location first_place = *first.where;
  Location second_place = *second.where;
  leave_place(first);
  leave_place(second);
  place(first, std::move(second_place));
  place(second, std::move(first_place));
}

void DirectoryTable::removed(const ObjectId& directory) {
  Entry& entry = entries_.at(directory);
  if (entry.replica_id) owners_.erase(entry.replica_id);
  entry.replica_id = {};
  drop_descriptors(entry);
}

DirectoryTable::Met DirectoryTable::met(const ObjectId& directory, const Location& where,
                                        const ObjectId& replica, SequenceNumber recorded) {
  Met result;
  if (!contains(directory)) add(directory, DirectoryState::kUnwalked);
  Entry& entry = entries_.at(directory);
  const bool same_copy = replica && entry.replica_id == replica;
  const bool in_place = entry.where == where;
  if (!same_copy) {
    if (entry.replica_id) result.forgotten = forget_below(directory, recorded);
    drop_replica(entry, recorded);  // an open descriptor may be of one that was removed
  }
  const bool by_place = exclusion_ != nullptr && exclusion_->patterns().any_of_places();
  if (!in_place && same_copy && by_place) result.forgotten = forget_below(directory, recorded);
  if (!in_place) {
    place(entry, where);
    entry.source.reset();
  }
  entry.met = walk_;
  if (replica && !same_copy) see_replica(entry, replica);
  if (entry.state == DirectoryState::kKnown && in_place && same_copy) {
    result.must_be_walked = false;
  } else if (entry.state != DirectoryState::kUnwalked) {
    change(entry, DirectoryState::kUnwalked);
  }
  return result;
}

void DirectoryTable::mark_unwalked(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end() || found->second.state == DirectoryState::kUnplaced) return;
  if (found->second.state != DirectoryState::kUnwalked)
    change(found->second, DirectoryState::kUnwalked);
}

void DirectoryTable::mark_all_unwalked() {
  ++walk_;
  trusting_ = false;
  for (auto& [directory, entry] : entries_) {
    if (entry.state != DirectoryState::kUnplaced) change(entry, DirectoryState::kUnwalked);
  }
  entries_.at(root_).met = walk_;
}

void DirectoryTable::begin_walk(const ObjectId& directory) {
  change(entries_.at(directory), DirectoryState::kWalking);
}

bool DirectoryTable::end_walk(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end() || found->second.state != DirectoryState::kWalking) return false;
  change(found->second, DirectoryState::kKnown);
  found->second.failed_walks = 0;
  return true;
}

unsigned DirectoryTable::fail_walk(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end() || found->second.state != DirectoryState::kWalking) return 0;
  change(found->second, DirectoryState::kDamaged);
  forget_replica(directory);
  return found->second.failed_walks++;
}

void DirectoryTable::mark_damaged(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end() || found->second.state != DirectoryState::kKnown) return;
  change(found->second, DirectoryState::kDamaged);
}

std::vector<ObjectId> DirectoryTable::forget_below(const ObjectId& directory,
                                                   SequenceNumber recorded) {
  std::vector<ObjectId> forgotten = below(directory);
  for (const ObjectId& id : forgotten) erase(id, recorded);
  return forgotten;
}

std::vector<ObjectId> DirectoryTable::give_up_replica(const ObjectId& directory,
                                                      SequenceNumber recorded) {
  std::vector<ObjectId> lost = forget_below(directory, recorded);
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return lost;
  drop_replica(found->second, recorded);
  found->second.source.reset();
  leave_place(found->second);
  change(found->second, DirectoryState::kUnplaced);
  return lost;
}

void DirectoryTable::erase(const ObjectId& directory, SequenceNumber recorded) {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return;
  invariant(directory != root_, "the root stays");
  Entry& entry = found->second;
  drop_replica(entry, recorded);
  if (entry.in_recent) recent_.erase(entry.recent);
  leave_place(entry);
  if (is_unsettled(entry.state)) --unsettled_;
  if (entry.state == DirectoryState::kUnplaced) --unplaced_;
  entries_.erase(found);
}

std::vector<ObjectId> DirectoryTable::take_displaced() {
  std::vector<ObjectId> result;
  for (const ObjectId& directory : std::exchange(displaced_, {})) {
    if (state(directory) == DirectoryState::kUnplaced) result.push_back(directory);
  }
  return result;
}

std::vector<ObjectId> DirectoryTable::not_met() const {
  std::vector<ObjectId> result;
  for (const auto& [directory, entry] : entries_) {
    if (entry.met != walk_) result.push_back(directory);
  }
  return result;
}

bool DirectoryTable::is_met(const ObjectId& directory) const {
  const auto found = entries_.find(directory);
  return found != entries_.end() && found->second.met == walk_;
}

}  // namespace mirrorfs::state
