#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "fs/control/names_json.h"
#include "fs/control/status_json.h"
#include "fs/ctl/commands.h"
#include "fs/ctl/format.h"
#include "mirrorfs/pairs.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

std::string in_words(const timespec& time) {
  if (time.tv_sec == 0) return "never";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time.tv_sec));
}

const std::string& source_of(const PairStatus& pair) {
  return pair.is_source ? pair.tree : pair.peer;
}
const std::string& replica_of(const PairStatus& pair) {
  return pair.is_source ? pair.peer : pair.tree;
}

json pair_json(const PairStatus& pair) {
  json body = {{"id", pair.id},
               {"generation", pair.generation},
               {"promoted", pair.is_source},
               {"since", in_words(pair.role_since)},
               {"last_session", in_words(pair.last_session)},
               {"last_session_ended", pair.last_session_ended},
               {"host", pair.host},
               {"losses", pair.losses.names()},
               {"tolerated", pair.tolerated.names()},
               {"seen", pair.seen}};
  control::put_name(body, "source", source_of(pair));
  control::put_name(body, "replica", replica_of(pair));
  return body;
}

void print_pair(const PairStatus& pair) {
  const char* const ended = pair.last_session_ended ? "ended" : "runs or did not end, began";
  std::printf("%s -> %s\n", printable(source_of(pair)).c_str(),
              printable(replica_of(pair)).c_str());
  std::printf("  generation %llu since %s%s\n", static_cast<unsigned long long>(pair.generation),
              in_words(pair.role_since).c_str(),
              pair.is_source ? " (promoted: the replica's data is older)" : "");
  std::printf("  last session %s %s on %s%s\n", ended, in_words(pair.last_session).c_str(),
              printable(pair.host).c_str(), pair.seen ? "" : "; not mounted now");
  if (!pair.losses.none()) {
    std::printf("  the replica's filesystem cannot hold %s\n", pair.losses.text().c_str());
  }
  if (!pair.tolerated.none()) std::printf("  tolerated %s\n", pair.tolerated.text().c_str());
  std::printf("  id %s\n", pair.id.c_str());
}

}  // namespace

int run_pairs(const Arguments& arguments) {
  const auto pairs = known_pair_statuses();
  if (!pairs) return complain("pairs: " + pairs.error());
  if (arguments.json) {
    json list = json::array();
    for (const PairStatus& pair : *pairs) list.push_back(pair_json(pair));
    std::puts(control::to_line(list).c_str());
  } else {
    for (const PairStatus& pair : *pairs) print_pair(pair);
  }
  return std::fflush(stdout) == 0 ? kExitYes : kExitFailed;
}

int run_promote(const Arguments& arguments) {
  const auto pair = promote(arguments.paths[0]);
  if (!pair) return complain("promote: " + pair.error());
  std::printf(
      "'%s' is the source from now on (generation %llu); to bring '%s' up to date: mirrorfs "
      "'%s' '%s' MNT\n",
      printable(pair->tree).c_str(), static_cast<unsigned long long>(pair->generation),
      printable(pair->peer).c_str(), printable(pair->tree).c_str(), printable(pair->peer).c_str());
  return std::fflush(stdout) == 0 ? kExitYes : kExitFailed;
}

}  // namespace mirrorfs::ctl
