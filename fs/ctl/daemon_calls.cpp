#include "fs/ctl/daemon_calls.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "fs/control/client.h"
#include "fs/control/examine_json.h"
#include "fs/control/names_json.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::size_t kLongestRequest = 60 << 10;  ///< bytes: a line has 64 KiB
constexpr auto kPatience = 10s;  ///< for answers that come at once from a daemon in good health

Answer<control::Client::Answer> ask(const std::filesystem::path& mount, const json& request,
                                    control::Timeout timeout) {
  auto client = control::connect_to_mount(mount);
  if (!client) return std::unexpected(client.error());
  auto answer = client->ask(request, timeout);
  if (!answer) return std::unexpected("'" + mount.native() + "': " + answer.error());
  return answer;
}

}  // namespace

Answer<json> status_of(const std::filesystem::path& mount) {
  const auto answer = ask(mount, {{"request", "status"}}, kPatience);
  if (!answer) return std::unexpected(answer.error());
  return json::parse(answer->body).value("status", json::object());
}

Answer<json> set_options(const std::filesystem::path& mount,
                         const std::vector<std::string>& settings) {
  const auto answer = ask(mount, {{"request", "set"}, {"options", settings}}, kPatience);
  if (!answer) return std::unexpected(answer.error());
  return json::parse(answer->body).value("settings", json::object());
}

Answer<Waited> wait_until_durable(const std::filesystem::path& mount,
                                  const std::vector<std::string>& paths,
                                  std::optional<double> timeout_seconds) {
  json request{{"request", "wait"}};
  for (const std::string& path : paths) {
    json entry = json::object();
    control::put_name(entry, "path", path);
    request["paths"].push_back(std::move(entry));
  }
  if (request.dump().size() > kLongestRequest) {
    return std::unexpected("too many paths to wait for at once: name a directory above them");
  }
  control::Timeout patience;  // without a limit of its own, as the daemon is to tell when
  if (timeout_seconds) {
    request["timeout"] = *timeout_seconds;
    if (*timeout_seconds < 1e7) {
      patience = kPatience + std::chrono::ceil<std::chrono::milliseconds>(
                                 std::chrono::duration<double>(*timeout_seconds));
    }
  }
  const auto answer = ask(mount, request, patience);
  if (!answer) return std::unexpected(answer.error());
  const json body = json::parse(answer->body);
  if (body.value("done", false)) return Waited::kDone;
  return body.value("paused", false) ? Waited::kPaused : Waited::kTimeout;
}

/// A request is a line of bounded length, and so are answers.
Answer<std::vector<Examined>> examine(const std::filesystem::path& mount,
                                      const ExamineRequest& request) {
  std::vector<Examined> findings;
  while (findings.size() < request.paths.size()) {
    const json body = control::examine_json(request, findings.size());
    const auto answer = ask(mount, body, control::Timeout());
    if (!answer) return std::unexpected(answer.error());
    const auto some = control::findings_from(json::parse(answer->body));
    if (some.empty()) return std::unexpected("'" + mount.native() + "': nothing was examined");
    findings.insert(findings.end(), some.begin(), some.end());
  }
  findings.resize(request.paths.size());
  return findings;
}

Answer<control::MappedFiles> mapped_files(const std::filesystem::path& mount) {
  const auto answer = ask(mount, {{"request", "mapped"}}, kPatience);
  if (!answer) return std::unexpected(answer.error());
  const json body = json::parse(answer->body);
  return control::MappedFiles{.nodes = body.value("nodes", std::vector<std::uint64_t>{}),
                              .generation = body.value("generation", 0U)};
}

Answer<Trees> trees_of(const std::filesystem::path& mount) {
  auto client = control::connect_to_mount(mount);
  if (!client) return std::unexpected(client.error());
  const uid_t daemon_uid = client->peer();
  auto answer = client->ask({{"request", "trees"}}, kPatience);
  if (!answer) return std::unexpected("'" + mount.native() + "': " + answer.error());
  if (answer->descriptors.size() != 2) {
    return std::unexpected("'" + mount.native() + "': the daemon did not hand over its trees");
  }
  return Trees{std::move(answer->descriptors[0]), std::move(answer->descriptors[1]), daemon_uid};
}

Answer<bool> pause(const std::filesystem::path& mount) {
  const auto answer = ask(mount, {{"request", "pause"}}, kPatience);
  if (!answer) return std::unexpected(answer.error());
  return json::parse(answer->body).value("stands_still", false);
}

Answer<void> resume(const std::filesystem::path& mount) {
  if (auto answer = ask(mount, {{"request", "resume"}}, kPatience); !answer) {
    return std::unexpected(answer.error());
  }
  return {};
}

}  // namespace mirrorfs::ctl
