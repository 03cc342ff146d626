#include "language/views/text_template.h"

#include "core/error.h"

namespace drystill::language {

TextTemplate::TextTemplate(std::string_view text) {
  ParsedTemplate parsed = parse_template(text);
  if (!parsed.problem.empty()) throw ConfigError("template '" + std::string(text) + "': " + parsed.problem);
  pieces_ = std::move(parsed.pieces);
}

std::optional<std::string> TextTemplate::fill(const std::map<std::string, std::string>& fields) const {
  std::string filled;
  for (const TemplatePiece& piece : pieces_) {
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

}  // namespace drystill::language
