#include "engine/journal/mark_journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "engine/journal/small_file.h"
#include "mirrorfs/log.h"

namespace mirrorfs::journal {
namespace {

std::string file_name(const std::string& pair_id) { return pair_id + ".marks"; }

}  // namespace

MarkJournal::MarkJournal(UniqueFd directory, JournalOwner owner, std::size_t most)
    : directory_(std::move(directory)),
      owner_(std::move(owner)),
      most_(most),
      name_(file_name(owner_.pair_id)) {}

Result<std::shared_ptr<MarkJournal>> MarkJournal::create(int state_directory, JournalOwner owner,
                                                         const JournalContent& kept,
                                                         std::size_t most_marks) {
  UniqueFd directory(::fcntl(state_directory, F_DUPFD_CLOEXEC, 0));
  if (!directory) return fail_errno("dup", "state directory");
  std::shared_ptr<MarkJournal> journal(
      new MarkJournal(std::move(directory), std::move(owner), most_marks));
  for (const JournalPlace& place : kept.places) journal->place(place.directory, place.where);
  for (const JournalMark& mark : kept.marks) {
    Entry& entry = journal->marks_[mark.entry];
    entry.object = mark.object;
    entry.names = entry.names || mark.names;
  }
  journal->everything_marked_ = kept.everything;
  journal->broken_ = true;  // there is no file of ours yet
  if (auto written = journal->rewrite(std::nullopt); !written) return pass_on(std::move(written));
  if (journal->owner_.durable) {
    journal->committer_ = std::thread([raw = journal.get()] { raw->commit_loop(); });
  }
  return journal;
}

Result<std::optional<JournalContent>> MarkJournal::read(int state_directory,
                                                        const std::string& pair_id) {
  const std::string name = file_name(pair_id);
  auto bytes = read_small_file(state_directory, name.c_str());
  if (!bytes) return pass_on(std::move(bytes));
  if (!*bytes) return std::nullopt;
  return parse_journal(**bytes);
}

Result<void> MarkJournal::remove(int state_directory, const std::string& pair_id) {
  const std::string name = file_name(pair_id);
  if (::unlinkat(state_directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return fail_errno("unlink", name);
}

void MarkJournal::Held::end(SequenceNumber last) noexcept {
  if (journal_ == nullptr) return;
  const std::lock_guard lock(journal_->mutex_);
  for (std::size_t at = 0; at < count_; ++at) {
    --entries_[at]->under_way;
    entries_[at]->last = std::max(entries_[at]->last, last);
  }
  if (covers_ != 0) journal_->release_cover(*this, last);
  journal_ = nullptr;
}

void MarkJournal::add(Held& held, Entry& entry) {
  ++entry.under_way;
  held.entries_[held.count_++] = &entry;
}

MarkJournal::Held MarkJournal::begin(const Footprint& footprint) {
  Held held;  // before the lock, which it takes when it goes
  if (footprint.change() == Footprint::Change::kNothing) return held;
  const bool names = footprint.change() == Footprint::Change::kNames;
  const auto objects = footprint.objects();
  const ObjectId object = objects.size() == 1 ? objects.front() : ObjectId{};
  std::unique_lock lock(mutex_);
  held.journal_ = this;
  const bool moves = names && moves_directory(footprint);
  if (moves) close_covers();
  if (footprint.leads_nowhere()) {
    const bool root = object == owner_.root && !names;
    root ? hold(held, {owner_.root, ""}, object, false) : hold_everything(held);
  }
  for (const Location& entry : footprint.entries()) {
    if (held.count_ == Footprint::kMostEntries) break;  // all is held
    hold(held, entry, names ? ObjectId{} : object, names);
  }
  if (owner_.durable && footprint.other_names() != nullptr) hold_other_names(held, footprint);
  if (moves && outdated_ > 0) pin(held);
  if (owner_.durable) wait_for(lock, held);
  return held;
}

MarkJournal::Held MarkJournal::keep(const Location& entry, const ObjectId& object) {
  Held held;
  const std::lock_guard lock(mutex_);
  held.journal_ = this;
  hold_itself(held, entry, object, !object);
  return held;
}

bool MarkJournal::announce(const Footprint& footprint, Announced then) {
  if (!owner_.durable || footprint.change() == Footprint::Change::kNothing) return false;
  const bool names = footprint.change() == Footprint::Change::kNames;
  const auto objects = footprint.objects();
  const ObjectId object = objects.size() == 1 ? objects.front() : ObjectId{};
  const std::lock_guard lock(mutex_);
  std::uint64_t position = 0;
  for (const Location& entry : footprint.entries()) {
    if (saturated_ || cover_over(entry.parent) != nullptr) continue;
    if (entry.parent != owner_.root && !directories_.contains(entry.parent)) continue;
    position = std::max(position, mark(entry, names ? ObjectId{} : object, names).position);
  }
  if (position <= durable_ || broken_) return false;
  if (then) waiters_.push_back({position, std::move(then)});
  if (!waiters_.empty()) wanted_.notify_one();
  return true;
}

/// A mark on it, which the file has when this returns.
MarkJournal::Entry& MarkJournal::mark(const Location& where, const ObjectId& object, bool names) {
  Entry& entry = marks_[where];
  if (entry.recorded && (entry.names || !names)) return entry;
  entry.names = entry.names || names;
  entry.object = object;
  entry.recorded = false;
  write_mark(where, entry);
  entry.recorded = true;
  return entry;
}

MarkJournal::Entry* MarkJournal::cover_over(const ObjectId& directory) {
  const auto found = directories_.find(directory);
  if (found == directories_.end() || found->second.cover_epoch != epoch_) return nullptr;
  return found->second.cover;
}

void MarkJournal::hold(Held& held, const Location& where, const ObjectId& object, bool names) {
  if (Entry* const cover = cover_over(where.parent)) {
    add(held, *cover);
    if (std::exchange(held.covers_, epoch_) == 0) ++covered_;
    return;
  }
  hold_itself(held, where, object, names);
}

void MarkJournal::hold_itself(Held& held, const Location& where, const ObjectId& object,
                              bool names) {
  const bool placed = where.parent == owner_.root || directories_.contains(where.parent);
  const bool full = marks_.size() >= most_;
  if ((saturated_ || full || !placed) && !marks_.contains(where)) {
    saturated_ = saturated_ || full;
    return hold_everything(held);
  }
  add(held, mark(where, object, names));
}

void MarkJournal::close_covers() {
  ++epoch_;
  outdated_ += std::exchange(covered_, 0);
}

bool MarkJournal::moves_directory(const Footprint& footprint) const {
  return footprint.entries().size() == 2 &&
         std::ranges::any_of(footprint.objects(), [this](const ObjectId& object) {
           return directories_.contains(object);
         });
}

void MarkJournal::pin(const Held& held) {
  for (std::size_t at = 0; at < held.count_; ++at) {
    if (std::exchange(held.entries_[at]->pinned, true)) continue;
    moved_.push_back(held.entries_[at]);
  }
}

void MarkJournal::release_cover(const Held& held, SequenceNumber last) noexcept {
  if (held.covers_ == epoch_) {
    --covered_;
    return;
  }
  --outdated_;
  for (Entry* const entry : moved_) {
    entry->last = std::max(entry->last, last);
    entry->pinned = outdated_ > 0;
  }
  if (outdated_ == 0) moved_.clear();
}

void MarkJournal::hold_everything(Held& held) {
  write_everything();
  add(held, everything_);
}

void MarkJournal::mark_everything(SequenceNumber last) {
  const std::lock_guard lock(mutex_);
  write_everything();
  everything_.last = std::max(everything_.last, last);
  everything_.noted = round_;
}

void MarkJournal::note(const Location& entry) {
  Held held;
  const std::lock_guard lock(mutex_);
  hold_itself(held, entry, {}, true);
  Entry& noted = *held.entries_.front();
  --noted.under_way;
  noted.noted = round_;
}

std::uint64_t MarkJournal::begin_round() {
  const std::lock_guard lock(mutex_);
  return ++round_;
}

void MarkJournal::write_everything() {
  if (everything_marked_) return;
  append([](JournalWriter& writer, std::uint64_t) { writer.everything(); });
  everything_.position = appended_;
  everything_marked_ = true;
}

void MarkJournal::write_mark(const Location& where, Entry& entry) {
  append([&](JournalWriter& writer, std::uint64_t generation) {
    write_places(where.parent, generation, writer);
    writer.mark({where, entry.object, entry.names});
  });
  entry.position = appended_;
}

/// Of the directory and all above it, those that the file lacks.
void MarkJournal::write_places(const ObjectId& directory, std::uint64_t generation,
                               JournalWriter& writer) {
  ObjectId at = directory;
  while (at != owner_.root) {
    const auto found = directories_.find(at);
    if (found == directories_.end() || found->second.is_in(generation)) return;
    writer.place({at, found->second.where});
    found->second.put_into(generation);
    at = found->second.where.parent;
  }
}

/// `write(writer, generation)` adds records; once for each file that takes them.
template <class Write>
void MarkJournal::append(const Write& write) {
  ++appended_;
  for (File* const file : {&file_, &next_}) {
    if (file->generation == 0) continue;
    std::string bytes;
    JournalWriter writer(file->salt, bytes);
    write(writer, file->generation);
    if (file->takes_marks) {
      append_to(*file, bytes);
    } else {
      tail_ += bytes;
    }
  }
}

void MarkJournal::append_to(File& file, const std::string& bytes) {
  const auto written = write_at(file.fd->get(), bytes, file.end);
  file.end += bytes.size();
  if (written) return;
  file.failed = true;
  if (&file == &file_) give_up(written.error());
}

/// No file is better than one that lacks a mark.
void MarkJournal::give_up(const Error& why) {
  given_up_ = broken_ = true;
  remove_file(why);
  file_ = {};
  durable_ = appended_;
}

void MarkJournal::remove_file(const Error& why) {
  const std::lock_guard lock(names_);
  if (retired_) return;
  log_warn(
      "the journal of marks cannot be written: {}: should this process be killed before it can, "
      "the next start compares everything",
      why.message());
  const bool removed = ::unlinkat(directory_.get(), name_.c_str(), 0) == 0 || errno == ENOENT;
  // That it is gone is relied on, too.
  const bool stays_so = removed && (!owner_.durable || ::fsync(directory_.get()) == 0);
  if (stays_so) return;
  log_error("the journal of marks cannot be removed: {}",
            fail_errno(removed ? "fsync" : "unlink", name_).error().message());
  if (when_outdated_) when_outdated_();
}

void MarkJournal::follow(const Operation& operation) {
  if (const auto* learn = std::get_if<LearnDirectory>(&operation)) {
    const std::lock_guard lock(mutex_);
    place(learn->object, learn->where);
  } else if (const auto* made = std::get_if<MakeDirectory>(&operation)) {
    const std::lock_guard lock(mutex_);
    place(made->object, made->where);
    cover(made->object, made->where);
  } else if (const auto* removed = std::get_if<RemoveDirectory>(&operation)) {
    const std::lock_guard lock(mutex_);
    place(removed->object, {});
  } else if (const auto* rename = std::get_if<Rename>(&operation)) {
    const std::lock_guard lock(mutex_);
    const bool exchange = (rename->flags & RENAME_EXCHANGE) != 0;
    if (S_ISDIR(rename->type)) place(rename->object, rename->to);
    if (rename->replaced && S_ISDIR(rename->replaced_type)) {
      place(*rename->replaced, exchange ? rename->from : Location{});
    }
  }
}

/// The file may have marks below them, at a place of which it is not known to be true.
void MarkJournal::lose_places(const Footprint& footprint, SequenceNumber last) noexcept {
  if (footprint.change() != Footprint::Change::kNames) return;
  const std::lock_guard lock(mutex_);
  bool lost = false;
  for (const ObjectId& object : footprint.objects()) {
    lost = directories_.erase(object) > 0 || lost;
  }
  if (!lost) return;
  try {
    write_everything();
  } catch (const std::bad_alloc&) {
    give_up({ENOMEM, "append", name_});
  }
  everything_.last = std::max(everything_.last, last);
}

void MarkJournal::place(const ObjectId& directory, const Location& where) {
  Directory& known = directories_[directory];
  if (known.where == where) return;
  known.where = where;
  if (!where.parent) {
    gone_.push_back(directory);
    known.cover_epoch = 0;  // the mark that covered it may go before whoever still has it open
  }
  append([&](JournalWriter& writer, std::uint64_t generation) {
    if (!known.is_in(generation)) return;
    if (where.parent) write_places(where.parent, generation, writer);
    writer.place({directory, where});
  });
}

/// The directory is new: what marks its entry has all below it compared.
void MarkJournal::cover(const ObjectId& directory, const Location& where) {
  Entry* over = cover_over(where.parent);
  const auto own = marks_.find(where);
  if (over == nullptr && own != marks_.end() && own->second.names) over = &own->second;
  Directory& made = directories_.at(directory);
  made.cover = over;
  made.cover_epoch = over != nullptr ? epoch_ : 0;
}

bool MarkJournal::is_gone(const ObjectId& directory) const {
  const auto found = directories_.find(directory);
  return found != directories_.end() && !found->second.where.parent;
}

std::size_t MarkJournal::size() const {
  const std::lock_guard lock(mutex_);
  return marks_.size() + (everything_marked_ ? 1 : 0);
}

void MarkJournal::retire() {
  constexpr std::chrono::seconds kPatience{1};
  const std::unique_lock lock(names_, kPatience);
  retired_ = true;
}

void MarkJournal::clear_through(SequenceNumber through, std::uint64_t round) {
  const auto done = rewrite(Synced{.through = through, .round = round});
  if (!done && done.error().code != ECANCELED) {
    log_warn("the journal of marks stays as long as it is: {}", done.error().message());
  }
}

}  // namespace mirrorfs::journal
