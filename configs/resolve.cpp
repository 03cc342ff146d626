#include "configs/resolve.h"

#include <algorithm>
#include <utility>

#include "configs/interpolate.h"
#include "configs/merge.h"
#include "configs/yaml_document.h"

namespace drystill::configs {
namespace {

constexpr std::size_t kMaxFiles = 64;  // two files that each name two bases twice would otherwise open thousands

class Inheritance {
 public:
  Inheritance(OptionRef schema, Diagnostics& diagnostics) : schema_(schema), diagnostics_(diagnostics) {}

  // The file with everything below it, or nullopt where something could not be read.
  std::optional<Node> load(const std::filesystem::path& path, const Origin& asked_at) {
    std::error_code error;
    std::filesystem::path identity = std::filesystem::weakly_canonical(path, error);
    if (error) identity = path;
    for (std::size_t i = 0; i < chain_.size(); ++i) {
      if (chain_[i].identity != identity) continue;
      diagnostics_.report(asked_at, "'base' goes round in a circle: " + describe_chain(i) + path.string());
      return std::nullopt;
    }
    if (++files_ > kMaxFiles) {
      diagnostics_.report(asked_at, "'base' opens more than " + std::to_string(kMaxFiles) + " files");
      return std::nullopt;
    }
    auto own = load_yaml_file(path, asked_at, diagnostics_);
    if (!own) return std::nullopt;
    const std::vector<Node> bases = take_bases(*own);
    chain_.push_back({path, identity});
    Node merged = Node::map();
    merged.origin = own->origin;
    bool is_whole = true;
    for (const auto& base : bases) {
      auto below = load((path.parent_path() / base.text).lexically_normal(), base.origin);
      if (below) merge(merged, std::move(*below), schema_);
      is_whole = is_whole && below;
    }
    chain_.pop_back();
    if (!is_whole) return std::nullopt;
    merge(merged, std::move(*own), schema_);
    return merged;
  }

 private:
  struct Link {
    std::filesystem::path path;
    std::filesystem::path identity;
  };

  std::string describe_chain(std::size_t from) const {
    std::string out;
    for (std::size_t i = from; i < chain_.size(); ++i) out += chain_[i].path.string() + " -> ";
    return out;
  }

  // Removes `base` from the tree and returns the names in it.
  std::vector<Node> take_bases(Node& node) {
    Entry* entry = node.find("base");
    if (entry == nullptr) return {};
    Node value = std::move(entry->value);
    node.entries.erase(node.entries.begin() + (entry - node.entries.data()));
    if (value.kind == Node::Kind::kScalar) return {std::move(value)};
    std::vector<Node> names;
    if (value.kind != Node::Kind::kList) {
      diagnostics_.report(value.origin, "'base' must be a file name or a list of them, got " + value.kind_name());
    }
    for (auto& item : value.items) {
      if (item.kind == Node::Kind::kScalar) {
        names.push_back(std::move(item));
      } else {
        diagnostics_.report(item.origin, "'base' must list file names, got " + item.kind_name());
      }
    }
    return names;
  }

  OptionRef schema_;
  Diagnostics& diagnostics_;
  std::vector<Link> chain_;  // files that wait for their bases, outermost first
  std::size_t files_ = 0;
};

struct Assignment {
  Path path;
  Node value;
  Origin origin;
};

std::optional<Assignment> parse_assignment(const std::string& text, std::size_t number, Diagnostics& diagnostics) {
  const std::string source = "--set #" + std::to_string(number);
  const Origin origin{std::make_shared<const std::string>(source), 0, 0};
  const std::size_t equals = text.find('=');
  const auto path = parse_path(std::string_view(text).substr(0, equals));
  if (equals == std::string::npos || !path) {
    diagnostics.report(origin, "expected a.b=value or a[0].b=value, got " + in_quotes(text));
    return std::nullopt;
  }
  auto value = parse_yaml(std::string_view(text).substr(equals + 1), source, diagnostics, false);
  if (!value) return std::nullopt;
  return Assignment{*path, std::move(*value), origin};
}

bool has_index(const Path& path) {
  return std::any_of(path.begin(), path.end(), [](const PathStep& step) { return step.index() == 1; });
}

// a.b=value as {a: {b: value}}.
Node as_tree(Assignment assignment) {
  Node node = std::move(assignment.value);
  for (auto step = assignment.path.rbegin(); step != assignment.path.rend(); ++step) {
    Node parent = Node::map();
    parent.origin = assignment.origin;
    parent.entries.push_back({std::get<std::string>(*step), assignment.origin, std::move(node)});
    node = std::move(parent);
  }
  return node;
}

// Overwrites an entry of a list, or sets a key of a mapping inside a list.
void assign_indexed(Node& root, Assignment assignment, const std::string& text, Diagnostics& diagnostics) {
  Path parent(assignment.path.begin(), assignment.path.end() - 1);
  Node* holder = find_path(root, parent);
  const PathStep& last = assignment.path.back();
  if (holder != nullptr && last.index() == 0 && holder->kind == Node::Kind::kMap) {
    Node change = Node::map();
    change.origin = holder->origin;
    change.entries.push_back({std::get<std::string>(last), assignment.origin, std::move(assignment.value)});
    merge(*holder, std::move(change), std::nullopt);
  } else if (Node* target = find_path(root, assignment.path)) {
    *target = std::move(assignment.value);
  } else {
    diagnostics.report(assignment.origin,
                       in_quotes(text) + " names a place that no file holds: set the whole list instead");
  }
}

// All plain assignments together lie over the file, so their order among each other and `method=` does not matter.
std::optional<Node> finish(Node root, const std::vector<std::string>& texts, OptionRef schema,
                           Diagnostics& diagnostics) {
  Node overlay = Node::map();
  std::vector<std::pair<Assignment, std::string>> indexed;
  bool is_whole = true;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto assignment = parse_assignment(texts[i], i + 1, diagnostics);
    if (!assignment) {
      is_whole = false;
    } else if (has_index(assignment->path)) {
      indexed.emplace_back(std::move(*assignment), texts[i]);
    } else {
      merge(overlay, as_tree(std::move(*assignment)), std::nullopt);
    }
  }
  if (!is_whole) return std::nullopt;
  const Origin top = root.origin;
  merge(root, std::move(overlay), schema);
  root.origin = top;
  for (auto& [assignment, text] : indexed) assign_indexed(root, std::move(assignment), text, diagnostics);
  interpolate(root, diagnostics);
  return root;
}

}  // namespace

std::optional<Node> resolve(const std::filesystem::path& file, const std::vector<std::string>& assignments,
                            OptionRef schema, Diagnostics& diagnostics) {
  const Origin asked_at{std::make_shared<const std::string>("configuration"), 0, 0};
  auto root = Inheritance(schema, diagnostics).load(file, asked_at);
  if (!root) return std::nullopt;
  return finish(std::move(*root), assignments, schema, diagnostics);
}

std::optional<Node> resolve_text(std::string_view text, const std::string& source,
                                 const std::vector<std::string>& assignments, OptionRef schema,
                                 Diagnostics& diagnostics) {
  auto root = parse_yaml(text, source, diagnostics);
  if (!root) return std::nullopt;
  if (root->kind == Node::Kind::kNull) root->kind = Node::Kind::kMap;
  return finish(std::move(*root), assignments, schema, diagnostics);
}

}  // namespace drystill::configs
