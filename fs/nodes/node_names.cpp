#include "fs/nodes/node_names.h"

namespace mirrorfs::fs {

std::size_t NodeNames::size() const {
  if (node_.name_.parent == nullptr) return 0;
  return 1 + (node_.more_names_ ? node_.more_names_->size() : 0);
}

Node::Name& NodeNames::at(std::size_t index) const {
  return index == 0 ? node_.name_ : (*node_.more_names_)[index - 1];
}

bool NodeNames::contains(const Node* parent, std::string_view name) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (at(i).parent == parent && at(i).name == name) return true;
  }
  return false;
}

void NodeNames::add(Node& parent, std::string_view name) {
  if (size() == 0) {
    node_.name_ = {&parent, std::string(name)};
    return;
  }
  // The list is never empty, not even when there is no memory for what comes into it.
  Node::Name added{&parent, std::string(name)};
  if (node_.more_names_) {
    node_.more_names_->push_back(std::move(added));
  } else {
    auto first = std::make_unique<std::vector<Node::Name>>(1);
    first->front() = std::move(added);
    node_.more_names_ = std::move(first);
  }
}

Node* NodeNames::take(const Node* parent, std::string_view name) {
  for (std::size_t i = 0; i < size(); ++i) {
    if (at(i).parent == parent && at(i).name == name) return take_at(i);
  }
  return nullptr;
}

Node* NodeNames::take_any() { return size() == 0 ? nullptr : take_at(0); }

Node* NodeNames::take_at(std::size_t index) {
  Node* const parent = at(index).parent;
  if (node_.more_names_) {
    if (index == 0) std::swap(node_.name_, node_.more_names_->front());
    node_.more_names_->erase(node_.more_names_->begin() +
                             static_cast<std::ptrdiff_t>(index == 0 ? 0 : index - 1));
    if (node_.more_names_->empty()) node_.more_names_.reset();
  } else {
    node_.name_ = {};
  }
  return parent;
}

}  // namespace mirrorfs::fs
