#include "engine/journal/pair_record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>

#include "engine/journal/capabilities_json.h"
#include "engine/journal/json_text.h"
#include "engine/journal/small_file.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::journal {
namespace {

using nlohmann::json;

constexpr int kVersion = 2;
constexpr const char* kFileName = "pair";

json to_json(const TreeIdentity& identity) {
  return {{"path", path_text(identity.path)},
          {"filesystem", identity.filesystem},
          {"handle", identity.handle},
          {"inode", identity.inode},
          {"birth", time_json({identity.birth_seconds, identity.birth_nanoseconds})},
          {"filesystem_id", identity.filesystem_id},
          {"overlay", identity.overlay},
          {"device", path_text(identity.device)},
          {"mount_root", identity.mount_root}};
}

TreeIdentity identity_from(const json& body) {
  const timespec birth = time_from(body.at("birth"));
  return {.filesystem = body.at("filesystem").get<std::string>(),
          .handle = body.at("handle").get<std::string>(),
          .inode = body.at("inode").get<std::uint64_t>(),
          .birth_seconds = birth.tv_sec,
          .birth_nanoseconds = birth.tv_nsec,
          .filesystem_id = body.at("filesystem_id").get<std::uint64_t>(),
          .overlay = body.at("overlay").get<bool>(),
          .device = path_from(body.value("device", "")),
          .mount_root = body.at("mount_root").get<bool>(),
          .path = path_from(body.at("path").get<std::string>())};
}

json to_json(const SessionNote& session) {
  return {{"nonce", session.nonce},
          {"ended", session.ended},
          {"time", time_json(session.time)},
          {"source_since", time_json(session.source_since)},
          {"host", path_text(session.host)}};
}

SessionNote session_from(const json& body) {
  return {.nonce = body.at("nonce").get<std::string>(),
          .ended = body.at("ended").get<bool>(),
          .time = time_from(body.at("time")),
          .source_since = time_from(body.at("source_since")),
          .host = path_from(body.at("host").get<std::string>())};
}

/// Of a mirrorfs that knew no roles: it named the source only.
PairRecord from_first_version(const json& body) {
  const json& source = body.at("source");
  PairRecord record;
  record.pair_id = body.at("pair_id").get<std::string>();
  record.peer = {.filesystem = {},
                 .handle = {},
                 .inode = source.at("inode").get<std::uint64_t>(),
                 .birth_seconds = source.at("birth_seconds").get<std::int64_t>(),
                 .birth_nanoseconds = source.at("birth_nanoseconds").get<std::int64_t>(),
                 .filesystem_id = source.at("filesystem").get<std::uint64_t>(),
                 .device = {},
                 .path = source.at("path").get<std::string>()};
  return record;
}

/// Patterns are bytes.
json texts_json(const std::vector<std::string>& texts) {
  json list = json::array();
  for (const std::string& text : texts) list.push_back(path_text(text));
  return list;
}

std::vector<std::string> texts_from(const json& list) {
  std::vector<std::string> texts;
  for (const json& text : list) texts.push_back(path_from(text.get<std::string>()));
  return texts;
}

void exclusion_from(const json& body, PairRecord& record) {
  record.exclude = texts_from(body.value("exclude", json::array()));
  for (const json& before : body.value("exclude_before", json::array())) {
    record.exclude_before.push_back(texts_from(before));
  }
}

PairRecord from_json(const json& body) {
  PairRecord record;
  record.pair_id = body.at("pair_id").get<std::string>();
  record.role = body.at("role").get<std::string>() == "source" ? Role::kSource : Role::kReplica;
  record.generation = body.at("generation").get<std::uint64_t>();
  record.role_since = time_from(body.at("role_since"));
  record.used = time_from(body.at("used"));
  record.own = identity_from(body.at("own"));
  record.peer = identity_from(body.at("peer"));
  record.session = session_from(body.at("session"));
  record.peer_ctime = time_from(body.at("peer_ctime"));
  for (const json& window : body.at("foreign")) {
    record.foreign.push_back({time_from(window.at(0)), time_from(window.at(1))});
  }
  record.one_file_system = body.at("one_file_system").get<bool>();
  record.inner_mounts = texts_from(body.at("inner_mounts"));
  exclusion_from(body, record);
  if (body.contains("capabilities")) {
    record.capabilities = capabilities_from(body.at("capabilities"));
  }
  record.tolerated = parse_losses(body.value("tolerated", "")).value_or(Losses());
  return record;
}

}  // namespace

std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string to_text(const PairRecord& record) {
  json foreign = json::array();
  for (const Window& window : record.foreign) {
    foreign.push_back({time_json(window.since), time_json(window.until)});
  }
  json before = json::array();
  for (const auto& patterns : record.exclude_before) before.push_back(texts_json(patterns));
  json body = {{"version", kVersion},
               {"pair_id", record.pair_id},
               {"role", record.role == Role::kSource ? "source" : "replica"},
               {"generation", record.generation},
               {"role_since", time_json(record.role_since)},
               {"used", time_json(record.used)},
               {"own", to_json(record.own)},
               {"peer", to_json(record.peer)},
               {"session", to_json(record.session)},
               {"peer_ctime", time_json(record.peer_ctime)},
               {"foreign", std::move(foreign)},
               {"one_file_system", record.one_file_system},
               {"inner_mounts", texts_json(record.inner_mounts)},
               {"exclude", texts_json(record.exclude)},
               {"exclude_before", std::move(before)},
               {"tolerated", record.tolerated.text()}};
  if (record.capabilities) body["capabilities"] = to_json(*record.capabilities);
  return body.dump(2) + "\n";
}

StartUp<PairRecord> pair_record_from(std::string_view text) {
  try {
    const json body = json::parse(text);
    const int version = body.at("version").get<int>();
    if (version == 1) return from_first_version(body);
    if (version == kVersion) return from_json(body);
    return std::unexpected("its pairing record is of another version of mirrorfs");
  } catch (const json::exception& error) {
    return std::unexpected(std::string("its pairing record cannot be read (") + error.what() +
                           "): remove its " + kReservedName + " and give --adopt");
  }
}

StartUp<std::optional<PairRecord>> read_pair_record(int tree_root) {
  const UniqueFd reserved(
      ::openat(tree_root, kReservedName, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!reserved) {
    if (errno == ENOENT) return std::nullopt;
    return std::unexpected(std::string("cannot open its ") + kReservedName + ": " +
                           std::strerror(errno));
  }
  auto content = read_small_file(reserved.get(), kFileName);
  if (!content) return std::unexpected(content.error().message());
  if (!*content) return std::nullopt;
  auto record = pair_record_from(**content);
  if (!record) return std::unexpected(record.error());
  return std::move(*record);
}

StartUp<void> write_pair_record(int reserved_directory, const PairRecord& record) {
  if (auto written = replace_small_file(reserved_directory, kFileName, to_text(record)); !written) {
    return std::unexpected("cannot write the pairing record: " + written.error().message());
  }
  return {};
}

}  // namespace mirrorfs::journal
