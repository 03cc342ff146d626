#include "language/views/text_template.h"

#include "core/error.h"

namespace drystill::language {

TextTemplate::TextTemplate(std::string_view text) {
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) pieces_.push_back({std::move(literal), false});
    literal.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = i + 1 < text.size() && text[i + 1] == c;
    if ((c == '{' || c == '}') && doubled) {
      literal += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos || end == i + 1) {
        throw ConfigError("template '" + std::string(text) + "': '{' at character " + std::to_string(i + 1) +
                          " opens no name; write {name}, or {{ for a brace");
      }
      flush();
      pieces_.push_back({std::string(text.substr(i + 1, end - i - 1)), true});
      i = end;
    } else if (c == '}') {
      throw ConfigError("template '" + std::string(text) + "': '}' at character " + std::to_string(i + 1) +
                        " closes nothing; write }} for a brace");
    } else {
      literal += c;
    }
  }
  flush();
}

std::optional<std::string> TextTemplate::fill(const std::map<std::string, std::string>& fields) const {
  std::string filled;
  for (const Piece& piece : pieces_) {
    if (!piece.is_name) {
      filled += piece.text;
      continue;
    }
    const auto field = fields.find(piece.text);
    if (field == fields.end()) return std::nullopt;
    filled += field->second;
  }
  return filled;
}

std::vector<std::string> TextTemplate::names() const {
  std::vector<std::string> names;
  for (const Piece& piece : pieces_) {
    if (piece.is_name) names.push_back(piece.text);
  }
  return names;
}

}  // namespace drystill::language
