#include "engine/live/scrubber.h"

#include <time.h>

#include <algorithm>
#include <iterator>

#include "engine/objects/listing.h"
#include "mirrorfs/log.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::live {
namespace {

constexpr std::chrono::seconds kRest{1};
constexpr std::chrono::seconds kBetweenSaves{10};
constexpr std::chrono::seconds kBetweenLooksAtRoots{30};
constexpr std::size_t kRootNames = 4096;

/// Not time(2), which a simulation does not decide.
std::int64_t seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}

}  // namespace

Scrubber::Scrubber(LiveState& state, Examiner& examiner, Parts parts)
    : state_(state), examiner_(examiner), parts_(std::move(parts)) {}

void Scrubber::set_period(std::chrono::seconds period) {
  if (period == pace_.period()) return;
  pace_.set_period(period);
  changed_.set();
}

void Scrubber::stop() {
  stopped_ = true;
  changed_.set_for_good();
}

ScrubStatus Scrubber::status() const {
  return {.period = pace_.period(),
          .running = wanted() && record_.under_way,
          .pass_began = record_.under_way ? record_.last_began : 0,
          .pass_objects = record_.objects,
          .pass_bytes = record_.bytes,
          .pass_differences = record_.differences,
          .objects_total = objects_,
          .bytes_total = bytes_,
          .differences_total = differences_,
          .passes_total = passes_,
          .last_verify = record_.last_verify,
          .last_differences = record_.last_differences};
}

ring::Task<void> Scrubber::run() {
  while (!stopped_) {
    if (!wanted()) {
      changed_.reset();
      co_await changed_.wait();
      continue;
    }
    if (!loaded_) {
      loaded_ = true;
      record_ = journal::read_scrub_record(parts_.state_directory, parts_.pair_id);
    }
    if (record_.under_way || is_due()) {
      co_await one_pass();
    } else {
      co_await rest();
    }
  }
}

/// A clock that was set back must not put it off for ever.
bool Scrubber::is_due() const {
  const std::int64_t now = seconds_now();
  return now < record_.last_began || now - record_.last_began >= pace_.period().count();
}

ring::Task<void> Scrubber::rest() {
  const bool slept = co_await state_.ring.sleep(kRest);
  if (slept && wanted()) co_await look_at_roots();
}

void Scrubber::begin_pass() {
  record_.under_way = true;
  record_.last_began = seconds_now();
  record_.position.clear();
  record_.objects = record_.bytes = record_.differences = record_.work = 0;
}

ring::Task<void> Scrubber::one_pass() {
  if (!record_.under_way) begin_pass();
  pace_.begin(std::max(record_.last_work, parts_.expected()), record_.work, state_.ring.now());
  const bool complete = co_await walk();
  record_.work = pace_.done();
  if (complete) {
    ++passes_;
    record_.under_way = false;
    record_.last_verify = seconds_now();
    record_.last_differences = record_.differences;
    record_.last_work = record_.work;
    record_.position.clear();
    log_info("scrub: a pass is complete: {} objects, {} bytes compared, {} differences found",
             record_.objects, record_.bytes, record_.differences);
  }
  co_await save();
}

ring::Task<bool> Scrubber::spend(std::uint64_t work) {
  const Clock::time_point when = pace_.plan(work, state_.ring.now());
  for (;;) {
    if (!wanted()) co_return false;
    const Clock::time_point now = state_.ring.now();
    const bool may_run = parts_.may_run();
    if (may_run && now >= when) break;
    const auto left = std::min<Clock::duration>(kRest, when - now);
    const bool slept = co_await state_.ring.sleep(may_run ? left : Clock::duration(kRest));
    if (!slept) co_return false;
  }
  co_await look_at_roots();
  co_return wanted();
}

ring::Task<void> Scrubber::save() {
  saved_ = state_.ring.now();
  const journal::ScrubRecord record = record_;
  const auto write = [this, &record] {
    return journal::write_scrub_record(parts_.state_directory, parts_.pair_id, record);
  };
  const Result<void> written = co_await state_.ring.offload(write);
  if (!written) {
    log_repeating(LogLevel::kWarn, "scrub record",
                  "the record of the scrub: " + written.error().message());
  }
}

ring::Task<void> Scrubber::save_sometimes() {
  if (state_.ring.now() - saved_ < kBetweenSaves) co_return;
  record_.work = pace_.done();
  co_await save();
}

/// A replica that somebody has emptied need not wait for the pass to come to it.
ring::Task<void> Scrubber::look_at_roots() {
  const Clock::time_point now = state_.ring.now();
  const auto interval = std::min<Clock::duration>(kBetweenLooksAtRoots, pace_.period() / 10);
  if (now - roots_looked_at_ < interval || !parts_.may_run() || !suspects_.empty()) co_return;
  roots_looked_at_ = now;
  std::vector<std::string> no_names;
  Result<Examiner::Directory> root = co_await examiner_.open(std::move(no_names));
  if (!root) co_return;
  auto names = co_await objects::list_some(state_.ring, root->source->get(), root->replica->get(),
                                           std::string(), kRootNames);
  if (!names) co_return;
  std::ranges::set_difference(names->source, names->replica, std::back_inserter(suspects_));
  std::erase(suspects_, kReservedName);
  co_await confirm_all();
}

}  // namespace mirrorfs::live
