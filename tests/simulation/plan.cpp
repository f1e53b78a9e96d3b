#include "plan.h"

#include <fmt/core.h>

#include <charconv>

#include "random.h"

namespace mirrorfs::simulation {
namespace {

SessionPlan draw_session(Random& random, bool first, bool last) {
  SessionPlan session;
  session.check = random.chance(1, 2)   ? Check::kNone
                  : random.chance(3, 4) ? Check::kQuick
                                        : Check::kFull;
  if (random.chance(1, 4)) session.mode = random.chance(1, 2) ? Mode::kFsync : Mode::kSync;
  if (random.chance(1, 6)) session.queue_size = random.between(1000, 8000);
  if (random.chance(1, 4)) session.overflow = Overflow::kThrottle;
  if (random.chance(1, 4)) session.on_error = OnReplicaError::kFail;
  session.wait_for_baseline = random.chance(1, 2);
  session.operations =
      static_cast<unsigned>(random.between(first && !last ? 0 : 8, last ? 40 : 20));
  if (!last && random.chance(1, 2)) {
    session.end = random.chance(2, 3) ? SessionEnd::kCrash : SessionEnd::kSuddenStop;
    session.crash_after = static_cast<unsigned>(random.below(session.operations + 1));
  }
  return session;
}

FaultPlan draw_faults(Random& random) {
  FaultPlan faults;
  if (random.chance(1, 3)) {
    faults.replica_calls = static_cast<unsigned>(random.between(20, 500));
    faults.most = static_cast<unsigned>(random.between(1, 12));
  }
  if (random.chance(1, 4)) faults.short_transfers = 3000;
  if (random.chance(1, 6)) faults.looks = static_cast<unsigned>(random.between(100, 1000));
  if (random.chance(1, 8)) faults.hangs = 20;
  if (random.chance(1, 8)) faults.pauses = 20;
  if (random.chance(1, 8)) faults.kills = 2000;
  if (random.chance(1, 8)) faults.closes = 1000;
  if (random.chance(1, 8)) faults.write_backs = 3000;
  if (random.chance(1, 8)) faults.allocations = static_cast<unsigned>(random.between(100, 1000));
  return faults;
}

/// Each run does some things often and others not at all: rare meetings become frequent in some.
void draw_work(Random& random, Plan& plan) {
  static constexpr std::array<unsigned, kKindsOfWork> kUsual = {10, 10, 3,  14, 4, 6, 4, 8,
                                                                5,  6,  12, 6,  3, 4, 6};
  static constexpr std::array<unsigned, 6> kFactors = {0, 1, 1, 1, 2, 6};
  const bool usual = random.chance(1, 4);
  for (std::size_t kind = 0; kind < kKindsOfWork; ++kind) {
    plan.weights[kind] = kUsual[kind] * (usual ? 1 : random.one_of(kFactors));
  }
  plan.weights[static_cast<std::size_t>(Work::kCreate)] += 2;
  plan.weights[static_cast<std::size_t>(Work::kMakeDirectory)] += 2;
  plan.names = static_cast<unsigned>(random.between(2, 5));
  plan.depth = static_cast<unsigned>(random.between(1, 4));
  static constexpr std::array<unsigned, 5> kShares = {2, 6, 8, 12, 15};
  plan.application_share = random.one_of(kShares);
}

/// Many operations on few names while directories with content are walked and moved.
void make_crowded(Random& random, Plan& plan) {
  plan.actors = static_cast<unsigned>(random.between(3, 6));
  plan.initial_objects = static_cast<unsigned>(random.between(20, 60));
  plan.names = static_cast<unsigned>(random.between(2, 4));
  plan.depth = static_cast<unsigned>(random.between(2, 4));
  plan.forgets = static_cast<unsigned>(random.between(0, 60));
  for (const Work work : {Work::kMakeDirectory, Work::kRename, Work::kExchange}) {
    plan.weights[static_cast<std::size_t>(work)] = static_cast<unsigned>(random.between(10, 40));
  }
  SessionPlan& last = plan.sessions.back();
  last.operations = static_cast<unsigned>(random.between(40, 160));
  last.wait_for_baseline = random.chance(1, 4);
  if (random.chance(1, 2)) last.queue_size = random.between(1000, 8000);
}

/// What was changed behind the daemon's back has no mark: a check has to find it.
void draw_boots(Plan& plan) {
  Random random(mixed(plan.seed, 5));
  for (std::size_t at = 1; at < plan.sessions.size(); ++at) {
    plan.sessions[at].new_boot = plan.sessions[at - 1].foreign_edits || random.chance(1, 4);
  }
}

/// The scrub and the operator, and others who damage the replica.
void draw_operator(Plan& plan) {
  Random random(mixed(plan.seed, 6));
  if (random.chance(1, 3)) {
    for (SessionPlan& session : plan.sessions) {
      session.scrub = std::chrono::seconds(random.between(0, 4));
    }
  }
  if (random.chance(1, 3)) {
    plan.faults.examinations = static_cast<unsigned>(random.between(20, 400));
  }
  if (random.chance(1, 6)) plan.faults.damages = static_cast<unsigned>(random.between(10, 100));
}

void draw_limits_and_waits(Plan& plan) {
  static constexpr std::array<unsigned, 6> kRates = {0, 0, 0, 16 << 10, 64 << 10, 256 << 10};
  Random random(mixed(plan.seed, 7));
  for (SessionPlan& session : plan.sessions) session.rate_limit = random.one_of(kRates);
  if (random.chance(1, 3)) plan.faults.path_waits = static_cast<unsigned>(random.between(20, 400));
}

std::string draw_pattern(Random& random) {
  const auto name = [&random] { return fmt::format("n{}", random.below(5)); };
  switch (random.below(14)) {
    case 0:
    case 1: return name();
    case 2:
    case 3: return name() + "/";
    case 4: return "/" + name();
    case 5: return "/" + name() + "/";
    case 6: return name() + "/" + name();
    case 7: return "/" + name() + "/" + name() + "/";
    case 8: return name() + "/*";
    case 9: return "*/" + name();
    case 10: return name() + "/**/" + name();
    case 11: return "!" + name();
    case 12: return "!" + name() + "/";
    default: return "!" + name() + "/" + name();
  }
}

/// Mostly the same in all sessions.
void draw_exclusion(Plan& plan) {
  Random random(mixed(plan.seed, 8));
  std::vector<std::string> patterns;
  for (SessionPlan& session : plan.sessions) {
    if (patterns.empty() || random.chance(1, 4)) {
      patterns.clear();
      for (std::size_t count = random.between(1, 3); count > 0; --count) {
        patterns.push_back(draw_pattern(random));
      }
      if (random.chance(1, 8)) patterns.clear();
    }
    session.exclude = patterns;
  }
}

void maybe_draw_exclusion(Plan& plan) {
  if (Random(mixed(plan.seed, 9)).chance(1, 16)) draw_exclusion(plan);
}

template <class Number>
bool parse(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_mask(std::string_view text, std::set<std::uint64_t>& masked) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('+'), text.size());
    unsigned number = 0;
    if (!parse(text.substr(0, end), number)) return false;
    masked.insert(number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

bool change_sessions(Plan& plan, std::string_view key, unsigned number) {
  if (key == "sessions") {
    plan.sessions.resize(std::min<std::size_t>(number, plan.sessions.size()));
    return true;
  }
  for (SessionPlan& session : plan.sessions) {
    if (key == "operations")
      session.operations = number;
    else if (key == "crashes" && number == 0)
      session.end = SessionEnd::kCleanStop;
    else if (key == "mode" && number < 3)
      session.mode = static_cast<Mode>(number);
    else if (key == "check" && number < 3)
      session.check = static_cast<Check>(number);
    else if (key == "foreign" && number == 0)
      session.foreign_edits = false;
    else if (key == "exclude" && number == 0)
      session.exclude.clear();
    else if (key == "boots")
      session.new_boot = number != 0;
    else if (key == "queue")
      session.queue_size = number;
    else if (key == "scrub")
      session.scrub = std::chrono::seconds(number);
    else if (key == "rate-limit")
      session.rate_limit = number;
    else if (key == "wait-for-baseline")
      session.wait_for_baseline = number != 0;
    else
      return false;
  }
  return true;
}

unsigned* value_of(Plan& plan, std::string_view key) {
  const std::pair<std::string_view, unsigned*> values[] = {
      {"actors", &plan.actors},
      {"initial", &plan.initial_objects},
      {"forgets", &plan.forgets},
      {"share", &plan.application_share},
      {"replica-faults", &plan.faults.replica_calls},
      {"replica-faults-most", &plan.faults.most},
      {"short", &plan.faults.short_transfers},
      {"looks", &plan.faults.looks},
      {"hangs", &plan.faults.hangs},
      {"pauses", &plan.faults.pauses},
      {"write-backs", &plan.faults.write_backs},
      {"allocations", &plan.faults.allocations},
      {"kills", &plan.faults.kills},
      {"closes", &plan.faults.closes},
      {"examinations", &plan.faults.examinations},
      {"path-waits", &plan.faults.path_waits},
      {"damages", &plan.faults.damages}};
  for (const auto& [name, value] : values) {
    if (name == key) return value;
  }
  return nullptr;
}

bool change_one(Plan& plan, std::string_view key, std::string_view value) {
  if (key == "mask") return parse_mask(value, plan.masked);
  if (key == "schedule") return parse(value, plan.schedule);
  unsigned number = 0;
  if (!parse(value, number)) return false;
  if (unsigned* const changed = value_of(plan, key)) {
    *changed = number;
  } else if (key == "links") {
    plan.linked_names = number != 0;
  } else if (key == "batches") {
    plan.several_answers = number != 0;
  } else if (key == "exclude" && number != 0) {
    draw_exclusion(plan);
  } else if (key == "faults" && number == 0) {
    plan.faults = {};
  } else {
    return change_sessions(plan, key, number);
  }
  return true;
}

}  // namespace

Plan draw_plan(std::uint64_t seed) {
  Random random(mixed(seed, 1));
  Plan plan;
  plan.seed = seed;
  plan.schedule = seed;
  plan.actors = static_cast<unsigned>(random.between(1, 4));
  plan.initial_objects = static_cast<unsigned>(random.chance(1, 4) ? 0 : random.between(4, 20));
  if (random.chance(1, 10)) plan.initial_objects = static_cast<unsigned>(random.between(30, 60));
  draw_work(random, plan);
  plan.linked_names = random.chance(1, 3);
  plan.several_answers = random.chance(1, 2);
  if (random.chance(1, 2)) plan.forgets = static_cast<unsigned>(random.between(5, 50));
  const std::size_t sessions = random.chance(1, 2) ? 1 : random.between(2, 3);
  for (std::size_t at = 0; at < sessions; ++at) {
    plan.sessions.push_back(draw_session(random, at == 0, at + 1 == sessions));
    // What was changed behind the daemon's back is found by a check, not by check=none.
    if (at == 0 || !random.chance(1, 4)) continue;
    plan.sessions[at - 1].foreign_edits = true;
    if (plan.sessions[at].check == Check::kNone) plan.sessions[at].check = Check::kQuick;
  }
  if (random.chance(1, 2)) plan.faults = draw_faults(random);
  if (random.chance(1, 6)) make_crowded(random, plan);
  draw_boots(plan);
  draw_operator(plan);
  draw_limits_and_waits(plan);
  maybe_draw_exclusion(plan);
  return plan;
}

std::expected<void, std::string> change_plan(Plan& plan, std::string_view options) {
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(','), options.size());
    const std::string_view option = options.substr(0, end);
    const std::size_t equals = option.find('=');
    if (equals == std::string_view::npos ||
        !change_one(plan, option.substr(0, equals), option.substr(equals + 1))) {
      return std::unexpected(fmt::format("'{}' changes no plan", option));
    }
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return {};
}

std::string describe(const Plan& plan) {
  static constexpr const char* kModes[] = {"async", "fsync", "sync"};
  static constexpr const char* kChecks[] = {"none", "quick", "full"};
  std::string text = fmt::format(
      "{} applications, {} initial objects{}, faults of 10000: {} replica calls (at most {}), {} "
      "short, {} looks, {} hangs, {} pauses, {} write-backs, {} allocations, {} examinations, {} "
      "damages; "
      "sessions:",
      plan.actors, plan.initial_objects, plan.linked_names ? " with hard links" : "",
      plan.faults.replica_calls, plan.faults.most, plan.faults.short_transfers, plan.faults.looks,
      plan.faults.hangs, plan.faults.pauses, plan.faults.write_backs, plan.faults.allocations,
      plan.faults.examinations, plan.faults.damages);
  for (const SessionPlan& session : plan.sessions) {
    text += fmt::format(
        " [check={} mode={} queue={} {} {} {} operations, {}]",
        kChecks[static_cast<int>(session.check)], kModes[static_cast<int>(session.mode)],
        session.queue_size, session.overflow == Overflow::kThrottle ? "throttle" : "catch-up",
        session.wait_for_baseline ? "after the baseline," : "in the baseline,", session.operations,
        session.end == SessionEnd::kCrash ? fmt::format("crash after {}", session.crash_after)
        : session.end == SessionEnd::kSuddenStop ? "sudden stop"
                                                 : "clean stop");
    if (session.scrub.count() > 0) text += fmt::format(" scrub={}", session.scrub.count());
    if (session.rate_limit > 0) text += fmt::format(" rate-limit={}", session.rate_limit);
    for (const std::string& pattern : session.exclude) text += " exclude=" + pattern;
    if (session.new_boot) text += " after a new boot";
    if (session.foreign_edits) text += " foreign edits";
  }
  return text;
}

}  // namespace mirrorfs::simulation
