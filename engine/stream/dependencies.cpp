#include "engine/stream/dependencies.h"

namespace mirrorfs::stream {

void Dependencies::hold(Queue& queue, bool exclusive) {
  if (exclusive) {
    queue.exclusive_holder = true;
  } else {
    ++queue.shared_holders;
  }
}

void Dependencies::enter(Ticket& ticket, const ClaimSet& claims) {
  ticket.claims_ = claims.list();
  ticket.missing_ = 0;
  for (const Claim& claim : ticket.claims_) {
    Queue& queue = queues_[claim.key];
    if (queue.waiting.empty() && queue.admits(claim.exclusive)) {
      hold(queue, claim.exclusive);
    } else {
      queue.waiting.push_back({&ticket, claim.exclusive});
      ++ticket.missing_;
    }
  }
  if (ticket.missing_ == 0) ticket.granted();
}

bool Dependencies::contended(Key key) const {
  const auto found = queues_.find(key);
  return found != queues_.end() && !found->second.waiting.empty();
}

bool Dependencies::sole_holder(Key key) const {
  const auto found = queues_.find(key);
  if (found == queues_.end() || !found->second.waiting.empty()) return false;
  return found->second.exclusive_holder || found->second.shared_holders == 1;
}

void Dependencies::grant_next(Queue& queue, std::vector<Ticket*>& ready) {
  while (!queue.waiting.empty() && queue.admits(queue.waiting.front().exclusive)) {
    const Waiting next = queue.waiting.front();
    queue.waiting.pop_front();
    hold(queue, next.exclusive);
    if (--next.ticket->missing_ == 0) ready.push_back(next.ticket);
  }
}

void Dependencies::leave(Ticket& ticket) {
  std::vector<Ticket*> ready;
  for (const Claim& claim : ticket.claims_) {
    const auto found = queues_.find(claim.key);
    Queue& queue = found->second;
    if (claim.exclusive) {
      queue.exclusive_holder = false;
    } else {
      --queue.shared_holders;
    }
    grant_next(queue, ready);
    if (queue.waiting.empty() && queue.admits(true)) queues_.erase(found);
  }
  ticket.claims_.clear();
  for (Ticket* next : ready) next->granted();
}

}  // namespace mirrorfs::stream
