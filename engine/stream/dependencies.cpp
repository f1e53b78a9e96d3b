#include "engine/stream/dependencies.h"

#include <algorithm>

namespace mirrorfs::stream {

void Dependencies::Queue::push(Ticket::Place& place) {
  (nobody_waits() ? first_waiting : last_waiting->next) = &place;
  last_waiting = &place;
}

Ticket::Place& Dependencies::Queue::pop() {
  Ticket::Place& place = *first_waiting;
  first_waiting = place.next;
  place.next = nullptr;
  return place;
}

void Dependencies::hold(Queue& queue, bool exclusive) {
  if (exclusive) {
    queue.exclusive_holder = true;
  } else {
    ++queue.shared_holders;
  }
}

void Dependencies::enter(Ticket& ticket, const ClaimSet& claims) {
  ticket.places_.clear();
  ticket.places_.reserve(claims.list().size());
  ticket.missing_ = 0;
  for (const Claim& claim : claims.list()) {
    Ticket::Place& place = ticket.places_.emplace_back(claim, &ticket, nullptr);
    Queue& queue = queues_[claim.key];
    if (queue.nobody_waits() && queue.admits(claim.exclusive)) {
      hold(queue, claim.exclusive);
    } else {
      queue.push(place);
      ++ticket.missing_;
    }
  }
  if (ticket.missing_ == 0) ticket.granted();
}

bool Dependencies::contended(Key key) const {
  const auto found = queues_.find(key);
  return found != queues_.end() && !found->second.nobody_waits();
}

bool Dependencies::has_waiters(const Ticket& ticket) const {
  return std::ranges::any_of(
      ticket.places_, [this](const Ticket::Place& place) { return contended(place.claim.key); });
}

bool Dependencies::sole_holder(Key key) const {
  const auto found = queues_.find(key);
  if (found == queues_.end() || !found->second.nobody_waits()) return false;
  return found->second.exclusive_holder || found->second.shared_holders == 1;
}

void Dependencies::grant_next(Queue& queue, std::vector<Ticket*>& ready) {
  while (!queue.nobody_waits() && queue.admits(queue.first_waiting->claim.exclusive)) {
    const Ticket::Place& next = queue.pop();
    hold(queue, next.claim.exclusive);
    if (--next.ticket->missing_ == 0) ready.push_back(next.ticket);
  }
}

void Dependencies::leave(Ticket& ticket) {
  std::vector<Ticket*> ready;
  for (const Ticket::Place& place : ticket.places_) {
    const auto found = queues_.find(place.claim.key);
    Queue& queue = found->second;
    if (place.claim.exclusive) {
      queue.exclusive_holder = false;
    } else {
      --queue.shared_holders;
    }
    grant_next(queue, ready);
    if (queue.nobody_waits() && queue.admits(true)) queues_.erase(found);
  }
  ticket.places_.clear();
  for (Ticket* next : ready) next->granted();
}

}  // namespace mirrorfs::stream
