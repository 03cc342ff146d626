#include "configs/interpolate.h"

#include <cstdlib>
#include <set>
#include <utility>

#include "configs/yaml_document.h"
#include "configs/yaml_text_check.h"

namespace drystill::configs {
namespace {

// A reference that cannot be followed; reported at the scalar that holds it.
struct BadReference {
  std::string message;
};

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const auto& item : node.items) count += count_nodes(item);
  for (const auto& entry : node.entries) count += count_nodes(entry.value);
  return count;
}

std::size_t count_bytes(const Node& node) {
  std::size_t count = node.text.size();
  for (const auto& item : node.items) count += count_bytes(item);
  for (const auto& entry : node.entries) count += entry.key.size() + count_bytes(entry.value);
  return count;
}

std::size_t depth_of(const Node& node) {
  std::size_t depth = 0;
  for (const auto& item : node.items) depth = std::max(depth, depth_of(item));
  for (const auto& entry : node.entries) depth = std::max(depth, depth_of(entry.value));
  return depth + 1;
}

bool is_escaped(std::string_view text, std::size_t at) {
  return at > 0 && text[at - 1] == '$';
}

std::string shown(const std::string& name) {
  return "'${" + shortened(name) + "}'";
}

// Where the next live "${" begins, or npos.
std::size_t find_reference(std::string_view text, std::size_t from) {
  std::size_t at = text.find("${", from);
  while (at != std::string_view::npos && is_escaped(text, at)) at = text.find("${", at + 2);
  return at;
}

class Interpolator {
 public:
  Interpolator(Node& root, Diagnostics& diagnostics) : root_(root), diagnostics_(diagnostics) {}

  void expand(Node& node, const std::string& path, std::size_t depth) {
    if (done_.contains(&node)) return;
    if (depth > kMaxDepth)
      throw BadReference{"references nest more than " + std::to_string(kMaxDepth) + " levels deep"};
    open_.push_back({&node, path});
    try {
      if (node.kind == Node::Kind::kScalar) expand_scalar(node);
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        expand(node.items[i], path + "[" + std::to_string(i) + "]", depth + 1);
      }
      for (auto& entry : node.entries) expand(entry.value, join_path(path, entry.key), depth + 1);
    } catch (const BadReference& bad) {
      if (!bad.message.empty()) diagnostics_.report(node.origin, bad.message);
      const Origin origin = node.origin;
      node = Node{};
      node.is_reported = true;
      node.origin = origin;
    }
    open_.pop_back();
    done_.insert(&node);
  }

 private:
  void expand_scalar(Node& node) {
    std::size_t begin = find_reference(node.text, 0);
    if (begin == std::string::npos) return;
    std::string out;
    std::size_t copied = 0;
    for (; begin != std::string::npos; begin = find_reference(node.text, copied)) {
      const std::size_t end = node.text.find('}', begin);
      if (end == std::string::npos) throw BadReference{"'${' without '}' in " + in_quotes(node.text)};
      const std::string name = node.text.substr(begin + 2, end - begin - 2);
      const bool is_whole = begin == 0 && end + 1 == node.text.size();
      if (is_whole && !name.starts_with("env:")) {
        take_whole(node, name);
        return;
      }
      out.append(node.text, copied, begin - copied);
      out += name.starts_with("env:") ? environment_value(name.substr(4)) : scalar_text(name);
      if (out.size() > kMaxFileBytes) throw BadReference{"references expand to more than 1 MiB of text"};
      copied = end + 1;
    }
    out.append(node.text, copied);
    node.text = std::move(out);
    // `${env:NAME,}` with nothing in it: what an empty plain value in the file would be.
    if (node.text.empty() && !node.is_quoted) node.kind = Node::Kind::kNull;
  }

  // The place a reference names, expanded.
  const Node& target(const std::string& name) {
    const auto path = parse_path(name);
    if (!path) throw BadReference{shown(name) + " is not a place like ${a.b[0].c}"};
    Node* found = find_path(root_, *path);
    if (found == nullptr) throw BadReference{shown(name) + " names a key that is not set"};
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (open_[i].node == found) throw BadReference{shown(name) + " refers to itself: " + chain(i, name)};
    }
    expand(*found, name, open_.size());
    if (found->is_reported) throw BadReference{};  // one mistake, one line: it is told where it is
    return *found;
  }

  std::string chain(std::size_t from, const std::string& name) const {
    std::string out;
    for (std::size_t i = from; i < open_.size(); ++i)
      out += (open_[i].path.empty() ? "the file" : shortened(open_[i].path)) + " -> ";
    return out + shortened(name);
  }

  void take_whole(Node& node, const std::string& name) {
    const Node& source = target(name);
    nodes_ += count_nodes(source);
    bytes_ += count_bytes(source);
    if (nodes_ > kMaxNodes || bytes_ > kMaxExpandedBytes || depth_of(source) + open_.size() > 2 * kMaxDepth) {
      throw BadReference{"references expand to more than any configuration needs"};
    }
    Node copy = source;
    copy.origin = node.origin;
    node = std::move(copy);
  }

  std::string scalar_text(const std::string& name) {
    const Node& source = target(name);
    if (source.kind != Node::Kind::kScalar) {
      throw BadReference{shown(name) + " stands inside text, so it must name a single value, not " +
                         source.kind_name()};
    }
    return source.text;
  }

  static std::string environment_value(const std::string& argument) {
    const std::size_t comma = argument.find(',');
    const std::string name = argument.substr(0, comma);
    if (name.empty() || name.find('=') != std::string::npos) throw BadReference{"'${env:...}' needs a variable's name"};
    if (const char* value = std::getenv(name.c_str())) {
      check_environment(name, value);
      return escape_references(value);
    }
    std::string otherwise = comma == std::string::npos ? "" : argument.substr(comma + 1);
    if (otherwise.starts_with('?')) {
      throw BadReference{"the environment variable " + in_quotes(name) + " is not set; " + otherwise.substr(1)};
    }
    if (comma != std::string::npos) return otherwise;
    throw BadReference{"the environment variable " + in_quotes(name) + " is not set (or write ${env:" + name +
                       ",default})"};
  }

  // The configuration is written down again, as YAML and inside model files: what no file could hold must not come in
  // this way.
  static void check_environment(const std::string& name, std::string_view value) {
    const std::string_view fault = find_bad_character(value);
    if (fault.empty()) return;
    throw BadReference{"the environment variable " + in_quotes(name) + " holds " + std::string(fault) +
                       ", expected UTF-8 text; set it to such a text"};
  }

  struct Open {
    const Node* node;
    std::string path;
  };
  Node& root_;
  Diagnostics& diagnostics_;
  std::vector<Open> open_;      // being expanded now, outermost first
  std::set<const Node*> done_;  // nodes never move: only a scalar's own content is replaced
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

void unescape(Node& node) {
  for (std::size_t at = node.text.find("$${"); at != std::string::npos; at = node.text.find("$${", at + 2)) {
    node.text.erase(at, 1);
  }
  for (auto& item : node.items) unescape(item);
  for (auto& entry : node.entries) unescape(entry.value);
}

}  // namespace

void interpolate(Node& root, Diagnostics& diagnostics) {
  Interpolator(root, diagnostics).expand(root, "", 0);
  unescape(root);
}

std::string escape_references(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) out += '$';
    out += text[i];
  }
  return out;
}

}  // namespace drystill::configs
