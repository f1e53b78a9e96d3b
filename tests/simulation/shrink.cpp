#include "shrink.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <vector>

#include "isolated.h"

namespace mirrorfs::simulation {
namespace {

/// The order of everything is another one when something is left out: the failure may need a few
/// tries.
constexpr unsigned kSchedules = 12;

class Shrinking {
 public:
  Shrinking(std::uint64_t seed, std::string options) : seed_(seed), options_(std::move(options)) {}

  [[nodiscard]] bool begin() {
    const std::string failure = run_isolated(*plan({})).failure;
    promise_ = kind_of(failure);
    return !failure.empty();
  }

  void simplify() {
    for (const char* option :
         {"faults=0",         "hangs=0",    "pauses=0",   "short=0",       "looks=0",
          "replica-faults=0", "sessions=1", "sessions=2", "crashes=0",     "initial=0",
          "actors=1",         "actors=2",   "forgets=0",  "batches=0",     "links=0",
          "mode=0",           "check=1",    "share=8",    "queue=1048576", "wait-for-baseline=1",
          "exclude=0"}) {
      keep_if_failing(option);
    }
  }

  void leave_out_work() {
    std::vector<std::uint64_t> left = all_numbers();
    for (std::size_t share = left.size(); share > 0; share /= 2) {
      for (std::size_t at = 0; at < left.size();) {
        const auto first = left.begin() + static_cast<std::ptrdiff_t>(at);
        const auto last = first + static_cast<std::ptrdiff_t>(std::min(share, left.size() - at));
        std::set<std::uint64_t> masked = masked_;
        masked.insert(first, last);
        if (fails(options_, masked)) {
          masked_ = std::move(masked);
          left.erase(first, last);
        } else {
          at += share;
        }
      }
    }
  }

  [[nodiscard]] std::string result() const {
    std::string text = with(options_, fmt::format("schedule={}", schedule_));
    if (masked_.empty()) return text;
    std::string mask;
    for (const std::uint64_t number : masked_) {
      mask += (mask.empty() ? "" : "+") + std::to_string(number);
    }
    return with(text, "mask=" + mask);
  }

 private:
  static std::string kind_of(const std::string& failure) {
    return failure.substr(0, std::min(failure.find(' '), std::size_t{3}));
  }
  static std::string with(const std::string& options, const std::string& option) {
    return options.empty() ? option : options + "," + option;
  }

  [[nodiscard]] std::optional<Plan> plan(const std::set<std::uint64_t>& masked) const {
    return plan_with(options_, masked);
  }
  [[nodiscard]] std::optional<Plan> plan_with(const std::string& options,
                                              const std::set<std::uint64_t>& masked) const {
    Plan plan = draw_plan(seed_);
    if (!change_plan(plan, options)) return std::nullopt;
    plan.masked.insert(masked.begin(), masked.end());
    return plan;
  }

  [[nodiscard]] bool fails(const std::string& options, const std::set<std::uint64_t>& masked) {
    auto plan = plan_with(options, masked);
    if (!plan || plan->sessions.empty()) return false;
    for (unsigned attempt = 0; attempt < kSchedules; ++attempt) {
      plan->schedule = attempt == 0 ? schedule_ : attempt;
      if (kind_of(run_isolated(*plan).failure) != promise_) continue;
      schedule_ = plan->schedule;
      return true;
    }
    return false;
  }

  void keep_if_failing(const std::string& option) {
    const std::string changed = with(options_, option);
    if (fails(changed, masked_)) options_ = changed;
  }

  [[nodiscard]] std::vector<std::uint64_t> all_numbers() const {
    std::vector<std::uint64_t> numbers;
    const Plan whole = *plan({});
    for (unsigned at = 0; at < whole.initial_objects; ++at) numbers.push_back(kInitialNumbers + at);
    for (std::size_t session = 0; session < whole.sessions.size(); ++session) {
      for (unsigned at = 0; at < whole.sessions[session].operations; ++at) {
        numbers.push_back(session * kNumbersPerSession + at);
      }
    }
    return numbers;
  }

  const std::uint64_t seed_;
  std::string options_;
  std::set<std::uint64_t> masked_;
  std::uint64_t schedule_ = seed_;
  std::string promise_;
};

}  // namespace

std::optional<std::string> shrink(std::uint64_t seed, const std::string& options) {
  Shrinking shrinking(seed, options);
  if (!shrinking.begin()) return std::nullopt;
  shrinking.simplify();
  shrinking.leave_out_work();
  shrinking.simplify();
  return shrinking.result();
}

}  // namespace mirrorfs::simulation
