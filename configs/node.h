#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "configs/diagnostics.h"

namespace drystill::configs {

struct Entry;

// One value of a configuration, with the place it was written at. A plain value type: copies are deep.
struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;            // kScalar
  bool is_quoted = false;      // kScalar: written in quotes or as a block, so it is a string whatever it looks like
  bool is_reported = false;    // an error was reported here: readers pass over it
  std::vector<Node> items;     // kList
  std::vector<Entry> entries;  // kMap, in file order, keys unique
  Origin origin;

  static Node scalar(std::string text, bool is_quoted = false);
  static Node list();
  static Node map();

  Entry* find(std::string_view key);  // kMap; null where absent
  const Entry* find(std::string_view key) const;
  void add(std::string key, Node value);  // kMap; `key` must be new
  std::string kind_name() const;          // "a mapping", "the value 'x'": for messages
};

struct Entry {
  std::string key;
  Origin key_origin;
  Node value;
};

// A place inside a tree: "student.stages[0].epochs".
using PathStep = std::variant<std::string, std::size_t>;
using Path = std::vector<PathStep>;

std::optional<Path> parse_path(std::string_view text);  // nullopt where it is not one
Node* find_path(Node& root, const Path& path);          // null where absent

// "a" + "b" = "a.b"; "" + "b" = "b".
std::string join_path(std::string_view parent, std::string_view key);

}  // namespace drystill::configs
