#include "engine/live/late_requests.h"

#include <algorithm>
#include <cerrno>

namespace mirrorfs::live {
namespace {

constexpr std::chrono::seconds kLatest{120};  // the kernel's TCP_RTO_MAX

/// The call may be carried out all the same.
bool may_be_late(int code) {
  switch (code) {
    case EIO:
    case ENOTCONN:
    case ETIMEDOUT:
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case ESHUTDOWN:
    case EPIPE:
    case EREMOTEIO: return true;
    default: return false;
  }
}

}  // namespace

void LateRequests::failed(const Location& entry, const Error& error, Clock::time_point now) {
  if (margin_.count() == 0 || !may_be_late(error.code)) return;
  if (suspects_.empty()) began_ = now;
  Suspect& suspect = suspects_[entry];
  if (suspect.due) --waiting_;
  suspect.due.reset();
}

std::optional<LateRequests::Clock::time_point> LateRequests::look_again_at(const Location& entry,
                                                                           Clock::time_point begun,
                                                                           Clock::time_point now) {
  const auto found = suspects_.find(entry);
  if (found == suspects_.end()) return std::nullopt;
  Suspect& suspect = found->second;
  if (!suspect.due) {
    suspect.due = now + std::min<Clock::duration>(now - began_, kLatest) + margin_;
    ++waiting_;
  }
  if (begun < *suspect.due) return suspect.due;
  forget(found);
  return std::nullopt;
}

void LateRequests::forget(std::unordered_map<Location, Suspect>::iterator suspect) {
  if (suspect->second.due) --waiting_;
  suspects_.erase(suspect);
}

std::vector<std::string> LateRequests::names_in(const ObjectId& directory) const {
  std::vector<std::string> names;
  for (const auto& [entry, suspect] : suspects_) {
    if (entry.parent == directory) names.push_back(entry.name);
  }
  return names;
}

void LateRequests::forget_directory(const ObjectId& directory) {
  for (const std::string& name : names_in(directory)) forget(suspects_.find({directory, name}));
}

}  // namespace mirrorfs::live
