#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drystill::language {

// Text with names in braces: "Question: {prompt}". "{{" and "}}" are single braces.
class TextTemplate {
 public:
  // Throws ConfigError for a brace without its partner or an empty name.
  explicit TextTemplate(std::string_view text);

  bool empty() const { return pieces_.empty(); }
  // Nothing where `fields` lacks a name.
  std::optional<std::string> fill(const std::map<std::string, std::string>& fields) const;
  std::vector<std::string> names() const;

 private:
  struct Piece {
    std::string text;
    bool is_name;
  };
  std::vector<Piece> pieces_;
};

}  // namespace drystill::language
