#include "engine/journal/capabilities_json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace mirrorfs::journal {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<const char*, bool Capabilities::*>, 21> kAnswers = {{
    {"exact", &Capabilities::exact},
    {"owners", &Capabilities::owners},
    {"modes", &Capabilities::modes},
    {"symlink_owners", &Capabilities::symlink_owners},
    {"symlink_times", &Capabilities::symlink_times},
    {"user_xattrs", &Capabilities::user_xattrs},
    {"trusted_xattrs", &Capabilities::trusted_xattrs},
    {"security_xattrs", &Capabilities::security_xattrs},
    {"file_capabilities", &Capabilities::file_capabilities},
    {"acls", &Capabilities::acls},
    {"links", &Capabilities::links},
    {"symlinks", &Capabilities::symlinks},
    {"fifos", &Capabilities::fifos},
    {"sockets", &Capabilities::sockets},
    {"devices", &Capabilities::devices},
    {"folds_case", &Capabilities::folds_case},
    {"any_name", &Capabilities::any_name},
    {"holes", &Capabilities::holes},
    {"reflink", &Capabilities::reflink},
    {"rename_noreplace", &Capabilities::rename_noreplace},
    {"rename_exchange", &Capabilities::rename_exchange},
}};

}  // namespace

json to_json(const Capabilities& capabilities) {
  const TimeForm& times = capabilities.times;
  json body = {{"longest_name", capabilities.longest_name},
               {"times",
                {{"settable", times.settable},
                 {"granularity", times.granularity},
                 {"earliest", times.earliest},
                 {"latest", times.latest},
                 {"clamps", times.clamps}}}};
  for (const auto& [name, answer] : kAnswers) body[name] = capabilities.*answer;
  return body;
}

Capabilities capabilities_from(const json& body) {
  Capabilities capabilities;
  for (const auto& [name, answer] : kAnswers) {
    capabilities.*answer = body.value(name, capabilities.*answer);
  }
  capabilities.longest_name = body.value("longest_name", capabilities.longest_name);
  const json times = body.value("times", json::object());
  TimeForm& form = capabilities.times;
  form.settable = times.value("settable", form.settable);
  form.granularity = times.value("granularity", form.granularity);
  form.earliest = times.value("earliest", form.earliest);
  form.latest = times.value("latest", form.latest);
  form.clamps = times.value("clamps", form.clamps);
  if (form.granularity < 1) form.granularity = 1;
  return capabilities;
}

}  // namespace mirrorfs::journal
