#include "engine/journal/scrub_record.h"

#include <nlohmann/json.hpp>

#include "engine/journal/json_text.h"
#include "engine/journal/small_file.h"
#include "mirrorfs/log.h"

namespace mirrorfs::journal {
namespace {

std::string file_name(const std::string& pair_id) { return pair_id + ".scrub"; }

ScrubRecord from_json(const nlohmann::json& body) {
  ScrubRecord record;
  record.last_verify = body.value("last_verify", record.last_verify);
  record.last_began = body.value("last_began", record.last_began);
  record.last_differences = body.value("last_differences", record.last_differences);
  record.last_work = body.value("last_work", record.last_work);
  record.under_way = body.value("under_way", record.under_way);
  record.position = path_from(body.value("position", std::string()));
  record.objects = body.value("objects", record.objects);
  record.bytes = body.value("bytes", record.bytes);
  record.differences = body.value("differences", record.differences);
  record.work = body.value("work", record.work);
  return record;
}

}  // namespace

ScrubRecord read_scrub_record(int state_directory, const std::string& pair_id) {
  const auto text = read_small_file(state_directory, file_name(pair_id).c_str());
  if (!text) log_warn("the record of the scrub: {}", text.error().message());
  if (!text || !*text) return {};
  try {
    return from_json(nlohmann::json::parse(**text));
  } catch (const nlohmann::json::exception&) {
    log_warn("the record of the scrub cannot be read: it begins anew");
    return {};
  }
}

Result<void> write_scrub_record(int state_directory, const std::string& pair_id,
                                const ScrubRecord& record) {
  const nlohmann::json body = {{"last_verify", record.last_verify},
                               {"last_began", record.last_began},
                               {"last_differences", record.last_differences},
                               {"last_work", record.last_work},
                               {"under_way", record.under_way},
                               {"position", path_text(record.position)},
                               {"objects", record.objects},
                               {"bytes", record.bytes},
                               {"differences", record.differences},
                               {"work", record.work}};
  return replace_small_file(state_directory, file_name(pair_id), body.dump(2) + "\n", Synced::kNo);
}

}  // namespace mirrorfs::journal
