#include "configs/node.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace drystill::configs {

Node Node::scalar(std::string text, bool is_quoted) {
  Node node;
  node.kind = Kind::kScalar;
  node.text = std::move(text);
  node.is_quoted = is_quoted;
  return node;
}

Node Node::list() {
  Node node;
  node.kind = Kind::kList;
  return node;
}

Node Node::map() {
  Node node;
  node.kind = Kind::kMap;
  return node;
}

Entry* Node::find(std::string_view key) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

const Entry* Node::find(std::string_view key) const {
  return const_cast<Node*>(this)->find(key);
}

void Node::add(std::string key, Node value) {
  entries.push_back({std::move(key), value.origin, std::move(value)});
}

std::string Node::kind_name() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return is_quoted ? "the string " + in_quotes(text) : in_quotes(text);
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a mapping";
  }
  return "";
}

std::optional<Path> parse_path(std::string_view text) {
  Path path;
  while (true) {
    const std::size_t end = std::min(text.find_first_of(".["), text.size());
    if (end == 0) return std::nullopt;
    path.emplace_back(std::string(text.substr(0, end)));
    text.remove_prefix(end);
    while (text.starts_with('[')) {
      std::size_t index = 0;
      const char* last = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + 1, last, index);
      if (error != std::errc{} || stop == last || *stop != ']') return std::nullopt;
      path.emplace_back(index);
      text.remove_prefix(static_cast<std::size_t>(stop + 1 - text.data()));
    }
    if (text.empty()) return path;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
}

Node* find_path(Node& root, const Path& path) {
  Node* node = &root;
  for (const auto& step : path) {
    if (const auto* key = std::get_if<std::string>(&step)) {
      Entry* entry = node->find(*key);
      if (entry == nullptr) return nullptr;
      node = &entry->value;
    } else {
      const std::size_t index = std::get<std::size_t>(step);
      if (index >= node->items.size()) return nullptr;
      node = &node->items[index];
    }
  }
  return node;
}

std::string join_path(std::string_view parent, std::string_view key) {
  std::string path(parent);
  if (!path.empty()) path += '.';
  return path += key;
}

}  // namespace drystill::configs
