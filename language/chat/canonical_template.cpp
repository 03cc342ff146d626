#include "language/chat/canonical_template.h"

#include <cctype>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::language {
namespace {

bool is_blank(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

class Canonicaliser {
 public:
  Canonicaliser(std::string_view jinja, const std::string& source) : text_(jinja), source_(source) {}

  std::string run() {
    if (text_.ends_with('\n')) text_.remove_suffix(1);  // keep_trailing_newline is off
    while (true) {
      const auto open = next_tag();
      raw(text_.substr(position_, open - position_), open);
      if (open == text_.size()) break;
      tag(open);
    }
    join_literals();
    join_members();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(io::quote(source_) + ": its chat template has " + what);
  }

  std::size_t next_tag() const {
    for (std::size_t i = position_; i + 1 < text_.size(); ++i) {
      if (text_[i] == '{' && (text_[i + 1] == '{' || text_[i + 1] == '%' || text_[i + 1] == '#')) return i;
    }
    return text_.size();
  }

  // What stands between two tags.
  void raw(std::string_view text, std::size_t open) {
    bool line_start = position_ == 0;
    if (strip_next_) {
      while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    } else if (after_block_ && text.starts_with('\n')) {
      text.remove_prefix(1);
      line_start = true;
    }
    if (open < text_.size()) {
      const char control = open + 2 < text_.size() ? text_[open + 2] : '\0';
      if (control == '-') {
        while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
      } else if (text_[open + 1] != '{' && control != '+') {
        const auto indent = text.find_last_of('\n') + 1;  // 0 where there is no line break
        const bool blank = text.find_first_not_of(" \t", indent) == std::string_view::npos;
        if (blank && (indent > 0 || line_start)) text = text.substr(0, indent);
      }
    }
    result_ += text;
  }

  void tag(std::size_t open) {
    const char kind = text_[open + 1];
    const char last = kind == '{' ? '}' : kind;
    position_ = open + 2;
    if (position_ < text_.size() && (text_[position_] == '-' || text_[position_] == '+')) ++position_;
    std::string inside;
    while (true) {
      if (position_ + 1 >= text_.size()) fail("a tag without an end");
      const char c = text_[position_];
      if (c == last && text_[position_ + 1] == '}') break;
      if (kind != '#' && (c == '\'' || c == '"')) {
        literal(c, inside);
        continue;
      }
      if (!is_blank(c)) inside += c;
      ++position_;
    }
    strip_next_ = position_ > open + 2 && text_[position_ - 1] == '-';
    if (strip_next_ && inside.ends_with('-')) inside.pop_back();
    position_ += 2;
    after_block_ = kind != '{';
    if (kind == '#') return;
    result_ += text_.substr(open, 2);
    result_ += inside;
    result_ += last;
    result_ += '}';
  }

  void literal(char quote, std::string& inside) {
    inside += '\'';
    for (++position_; position_ < text_.size() && text_[position_] != quote; ++position_) {
      char c = text_[position_];
      if (c == '\\' && position_ + 1 < text_.size()) {
        c = text_[++position_];
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
      }
      inside += c == '\'' ? kApostrophe : c;
    }
    if (position_ >= text_.size()) fail("a text without an end");
    ++position_;
    inside += '\'';
  }

  void replace_all(std::string_view from, std::string_view to) {
    std::string replaced;
    std::size_t begin = 0;
    for (auto at = result_.find(from); at != std::string::npos; at = result_.find(from, begin)) {
      replaced.append(result_, begin, at - begin).append(to);
      begin = at + from.size();
    }
    result_ = replaced.append(result_, begin);
  }

  void join_literals() { replace_all("'+'", ""); }

  void join_members() {
    replace_all("message['role']", "message.role");
    replace_all("message['content']", "message.content");
  }

  std::string_view text_;
  const std::string& source_;
  std::size_t position_ = 0;
  bool strip_next_ = false;   // the tag before ended with -
  bool after_block_ = false;  // the tag before was a statement or a comment: the line break behind it goes
  std::string result_;
};

}  // namespace

std::string canonical_template(std::string_view jinja, const std::string& source) {
  return Canonicaliser(jinja, source).run();
}

}  // namespace drystill::language
