#include "arguments.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace mirrorfs::simulation {
namespace {

constexpr const char* kUsage =
    "usage: simulate --seed=N [--trace] [--shrink] [--options=…]\n"
    "       simulate --seeds=FROM..TO [--jobs=N] [--seconds=S] [--failures=N] [--digests] "
    "[--options=…]\n"
    "       simulate --replay-twice=FROM..TO [--options=…]\n"
    "       simulate --corpus=FILE\n";

[[noreturn]] void give_up(const std::string& line) {
  fmt::print(stderr, "simulate: {}\n{}", line, kUsage);
  std::exit(2);
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    give_up(fmt::format("'{}' is not a number", text));
  }
  return value;
}

void take_range(std::string_view text, Arguments& arguments) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) give_up(fmt::format("'{}' is not a range", text));
  arguments.from = number(text.substr(0, dots));
  arguments.to = number(text.substr(dots + 2));
}

bool take_value(std::string_view key, std::string_view value, Arguments& arguments) {
  const auto small = [&] { return static_cast<unsigned>(number(value)); };
  if (key == "--seed") {
    arguments.from = number(value);
    arguments.to = arguments.from + 1;
  } else if (key == "--seeds" || key == "--replay-twice") {
    arguments.command = key == "--seeds" ? Command::kMany : Command::kReplayTwice;
    take_range(value, arguments);
  } else if (key == "--jobs") {
    arguments.jobs = small();
  } else if (key == "--seconds") {
    arguments.seconds = small();
  } else if (key == "--failures") {
    arguments.most_failures = small();
  } else if (key == "--options") {
    arguments.options = value;
  } else if (key == "--corpus") {
    arguments.command = Command::kCorpus;
    arguments.corpus = value;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int at = 1; at < argc; ++at) {
    const std::string_view argument = argv[at];
    const std::size_t equals = argument.find('=');
    if (argument == "--trace") {
      arguments.trace = true;
    } else if (argument == "--digests") {
      arguments.digests = true;
    } else if (argument == "--shrink") {
      arguments.command = Command::kShrink;
    } else if (equals == std::string_view::npos ||
               !take_value(argument.substr(0, equals), argument.substr(equals + 1), arguments)) {
      give_up(fmt::format("'{}' is not known", argument));
    }
  }
  if (argc < 2) give_up("nothing to do");
  return arguments;
}

Plan plan_of(std::uint64_t seed, const std::string& options) {
  Plan plan = draw_plan(seed);
  if (auto changed = change_plan(plan, options); !changed) give_up(changed.error());
  return plan;
}

}  // namespace mirrorfs::simulation
