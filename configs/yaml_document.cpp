#include "configs/yaml_document.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "configs/yaml_text_check.h"
#include "configs/yaml_tree_builder.h"

namespace drystill::configs {
namespace {

std::optional<std::string> read_file(const std::filesystem::path& path, const Origin& asked_at,
                                     Diagnostics& diagnostics) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    diagnostics.report(asked_at, in_quotes(path.string()) + " is a folder, expected a YAML file");
    return std::nullopt;
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  if (!file || (file.read(text.data(), static_cast<std::streamsize>(text.size())), file.bad())) {
    diagnostics.report(asked_at, "cannot read " + in_quotes(path.string()) + ": " + std::strerror(errno));
    return std::nullopt;
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    diagnostics.report(asked_at, in_quotes(path.string()) + " is larger than 1 MiB, which no configuration is");
    return std::nullopt;
  }
  return text;
}

}  // namespace

std::optional<Node> parse_yaml(std::string_view text, const std::string& source, Diagnostics& diagnostics,
                               bool has_lines) {
  const auto name = std::make_shared<const std::string>(source);
  const auto origin_of = [&](int line, int column) {
    return has_lines ? Origin{name, line, column} : Origin{name, 0, 0};
  };
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  if (const auto problem = find_text_problem(text)) {
    diagnostics.report(origin_of(problem->line, problem->column), problem->message);
    return std::nullopt;
  }
  return build_tree(std::string(text), origin_of, diagnostics);
}

std::optional<Node> load_yaml_file(const std::filesystem::path& path, const Origin& asked_at,
                                   Diagnostics& diagnostics) {
  const auto text = read_file(path, asked_at, diagnostics);
  if (!text) return std::nullopt;
  auto node = parse_yaml(*text, path.string(), diagnostics);
  if (node && node->kind == Node::Kind::kNull) node->kind = Node::Kind::kMap;  // empty, or only comments
  if (node && node->kind != Node::Kind::kMap) {
    diagnostics.report(node->origin, "expected a mapping (key: value) at the top level, got " + node->kind_name());
    return std::nullopt;
  }
  return node;
}

}  // namespace drystill::configs
