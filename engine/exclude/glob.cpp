#include "engine/exclude/glob.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace mirrorfs::exclude {
namespace {

using Bytes = std::bitset<256>;

unsigned char byte(char c) { return static_cast<unsigned char>(c); }

Bytes where(bool (*is)(unsigned)) {
  Bytes bytes;
  for (unsigned c = 0; c < 128; ++c) bytes[c] = is(c);
  return bytes;
}

bool is_upper(unsigned c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(unsigned c) { return c >= 'a' && c <= 'z'; }
bool is_digit(unsigned c) { return c >= '0' && c <= '9'; }
bool is_alpha(unsigned c) { return is_upper(c) || is_lower(c); }
bool is_alnum(unsigned c) { return is_alpha(c) || is_digit(c); }
bool is_blank(unsigned c) { return c == ' ' || c == '\t'; }
bool is_cntrl(unsigned c) { return c < 32 || c == 127; }
bool is_print(unsigned c) { return !is_cntrl(c); }
bool is_space(unsigned c) { return is_blank(c) || c == '\n' || c == '\r'; }  // as git has it
bool is_graph(unsigned c) { return is_print(c) && !is_space(c); }
bool is_punct(unsigned c) { return is_graph(c) && !is_alnum(c); }
bool is_xdigit(unsigned c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

std::optional<Bytes> class_named(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, bool (*)(unsigned)>, 12> kClasses = {{
      {"alnum", is_alnum},
      {"alpha", is_alpha},
      {"blank", is_blank},
      {"cntrl", is_cntrl},
      {"digit", is_digit},
      {"graph", is_graph},
      {"lower", is_lower},
      {"print", is_print},
      {"punct", is_punct},
      {"space", is_space},
      {"upper", is_upper},
      {"xdigit", is_xdigit},
  }};
  const auto found =
      std::ranges::find(kClasses, name, &std::pair<std::string_view, bool (*)(unsigned)>::first);
  if (found == kClasses.end()) return std::nullopt;
  return where(found->second);
}

Bytes all_but_slash() {
  Bytes bytes;
  bytes.set();
  bytes.reset('/');
  return bytes;
}

}  // namespace

/// Reads a pattern from the left.
class Glob::Reader {
 public:
  Reader(std::string_view pattern, Glob& glob, Kind kind)
      : text_(pattern),
        glob_(glob),
        any_(kind == Kind::kName ? Bytes().set() : all_but_slash()),
        kind_(kind) {}

  void read() {
    while (at_ < text_.size() && !glob_.never_) {
      switch (text_[at_]) {
        case '?': glob_.add(Step::What::kOne, any_); break;
        case '*': star(); continue;
        case '[': bracket(); break;
        case '\\': ++at_; [[fallthrough]];
        default: literal();
      }
      ++at_;
    }
  }

 private:
  void literal() {
    if (at_ >= text_.size()) {  // a backslash that escapes nothing
      glob_.never_ = true;
      return;
    }
    Bytes bytes;
    bytes.set(byte(text_[at_]));
    glob_.add(Step::What::kOne, bytes);
  }

  /// Two or more between slashes, or the ends, stand for any directories, none included.
  void star() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_not_of('*', at_), text_.size());
    const bool from_slash = begin == 0 || text_[begin - 1] == '/';
    const std::string_view rest = text_.substr(at_);
    const bool to_slash = rest.empty() || rest.front() == '/' || rest.starts_with("\\/");
    if (kind_ == Kind::kName || at_ - begin < 2 || !from_slash || !to_slash) {
      return glob_.add(Step::What::kAnyNumber, any_);
    }
    const bool with_slash = rest.starts_with('/');
    if (with_slash) glob_.add(Step::What::kOptional, {}, glob_.steps_.size() + 3);
    glob_.add(Step::What::kAnyNumber, Bytes().set());
  }

  /// A set of bytes; without an end, or with an unknown class, it matches nothing.
  void bracket() {
    ++at_;
    const bool negated = at_ < text_.size() && (text_[at_] == '!' || text_[at_] == '^');
    if (negated) ++at_;
    Bytes bytes;
    std::optional<unsigned char> previous;  // where a range may begin
    for (bool first = true; !glob_.never_; first = false, ++at_) {
      if (at_ >= text_.size()) {
        glob_.never_ = true;
        return;
      }
      if (!first && text_[at_] == ']') break;
      previous = member(bytes, previous);
    }
    if (negated) bytes.flip();
    if (kind_ == Kind::kPath) bytes.reset('/');
    glob_.add(Step::What::kOne, bytes);
  }

  [[nodiscard]] char ahead() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\0'; }

  /// One of a set; at_ is left on its last character.
  std::optional<unsigned char> member(Bytes& bytes, std::optional<unsigned char> previous) {
    if (text_[at_] == '-' && previous && ahead() != '\0' && ahead() != ']') {
      ++at_;
      const auto last = escaped();
      for (unsigned c = *previous; last && c <= *last; ++c) bytes.set(c);
      return std::nullopt;
    }
    if (text_[at_] == '[' && ahead() == ':') {
      const std::size_t begin = at_ + 2;
      const std::size_t end = text_.find(']', begin);
      if (end == std::string_view::npos) {
        glob_.never_ = true;
        return std::nullopt;
      }
      if (end > begin && text_[end - 1] == ':') {
        const auto named = class_named(text_.substr(begin, end - 1 - begin));
        if (named) bytes |= *named;
        glob_.never_ = !named;
        at_ = end;
        return std::nullopt;
      }
    }
    const auto one = escaped();
    if (one) bytes.set(*one);
    return one;
  }

  std::optional<unsigned char> escaped() {
    if (text_[at_] == '\\') ++at_;
    if (at_ < text_.size()) return byte(text_[at_]);
    glob_.never_ = true;
    return std::nullopt;
  }

  const std::string_view text_;
  Glob& glob_;
  const Bytes any_;
  const Kind kind_;
  std::size_t at_ = 0;
};

Glob::Glob(std::string_view pattern, Kind kind) { Reader(pattern, *this, kind).read(); }

void Glob::add(Step::What what, const Bytes& bytes, std::size_t next) {
  steps_.push_back({what, bytes, next});
}

/// The step may be next, and so may those behind it that need not be taken.
void Glob::enter(std::vector<bool>& states, std::size_t step) const {
  while (!states[step]) {
    states[step] = true;
    if (step == steps_.size()) return;
    if (steps_[step].what == Step::What::kOne) return;
    if (steps_[step].what == Step::What::kOptional) enter(states, steps_[step].next);
    ++step;
  }
}

std::vector<bool> Glob::states_after(std::string_view text) const {
  std::vector<bool> now(steps_.size() + 1), next(steps_.size() + 1);
  enter(now, 0);
  for (const char c : text) {
    next.assign(next.size(), false);
    for (std::size_t at = 0; at < steps_.size(); ++at) {
      if (!now[at] || !steps_[at].bytes[byte(c)]) continue;
      enter(next, steps_[at].what == Step::What::kOne ? at + 1 : at);
    }
    std::swap(now, next);
  }
  return now;
}

bool Glob::matches(std::string_view text) const {
  return !never_ && states_after(text)[steps_.size()];
}

bool Glob::may_match_beyond(std::string_view beginning) const {
  if (never_) return false;
  const std::vector<bool> states = states_after(beginning);
  return std::find(states.begin(), states.end() - 1, true) != states.end() - 1;
}

std::size_t literal_length(std::string_view pattern) {
  return std::min(pattern.find_first_of("*?[\\"), pattern.size());
}

}  // namespace mirrorfs::exclude
