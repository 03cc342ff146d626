#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::language {

struct TemplatePiece {
  std::string text;
  bool is_name;
};

struct ParsedTemplate {
  std::vector<TemplatePiece> pieces;
  std::string problem;  // "" where the template can be read
};

// Defined here for the reader of configurations, which links with no room.
inline ParsedTemplate parse_template(std::string_view text) {
  ParsedTemplate parsed;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) parsed.pieces.push_back({std::move(literal), false});
    literal.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = i + 1 < text.size() && text[i + 1] == c;
    const std::string place = "' at character " + std::to_string(i + 1);
    if ((c == '{' || c == '}') && doubled) {
      literal += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos || end == i + 1) {
        parsed.problem = "'{" + place + " opens no name; write {name}, or {{ for a brace";
        return parsed;
      }
      flush();
      parsed.pieces.push_back({std::string(text.substr(i + 1, end - i - 1)), true});
      i = end;
    } else if (c == '}') {
      parsed.problem = "'}" + place + " closes nothing; write }} for a brace";
      return parsed;
    } else {
      literal += c;
    }
  }
  flush();
  return parsed;
}

// Text with names in braces: "Question: {prompt}". "{{" and "}}" are single braces.
class TextTemplate {
 public:
  // Throws ConfigError for a brace without its partner or an empty name.
  explicit TextTemplate(std::string_view text);

  bool empty() const { return pieces_.empty(); }
  // Nothing where `fields` lacks a name.
  std::optional<std::string> fill(const std::map<std::string, std::string>& fields) const;

 private:
  std::vector<TemplatePiece> pieces_;
};

}  // namespace drystill::language
