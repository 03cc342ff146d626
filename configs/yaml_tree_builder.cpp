#include "configs/yaml_tree_builder.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "configs/yaml_document.h"
#include "configs/yaml_text_check.h"

namespace drystill::configs {
namespace {

using OriginOf = std::function<Origin(int, int)>;

// Leaves the parser: the text cannot be read further.
struct Refused {
  Origin origin;
  std::string message;
};

// How much a subtree weighs, against the limits.
struct Weight {
  std::size_t nodes = 1;
  std::size_t bytes = 0;
  std::size_t depth = 1;
};

Weight weigh(const Node& node) {
  Weight weight{.nodes = 1, .bytes = node.text.size(), .depth = 1};
  const auto add = [&](const Node& child) {
    const Weight inner = weigh(child);
    weight.nodes += inner.nodes;
    weight.bytes += inner.bytes;
    weight.depth = std::max(weight.depth, inner.depth + 1);
  };
  for (const auto& item : node.items) add(item);
  for (const auto& entry : node.entries) {
    weight.bytes += entry.key.size();
    add(entry.value);
  }
  return weight;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& text, const OriginOf& origin_of, Diagnostics& diagnostics)
      : quotes_(text), origin_of_(origin_of), diagnostics_(diagnostics) {}

  Node take_root() { return std::move(root_); }
  Origin origin(const YAML::Mark& mark) const { return origin_of_(mark.line + 1, mark.column + 1); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw Refused{origin(mark), "a second document: a configuration is one document"};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.origin = origin(mark);
    // The parser marks a missing value at the token after it: its key is the better place.
    if (!open_.empty() && open_.back().has_key) node.origin = open_.back().key_origin;
    finish(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    Node node = Node::scalar(value, tag == "!");
    node.origin = origin(mark);
    if (node.is_quoted && quotes_.is_open(mark.line, mark.column)) {
      throw Refused{node.origin, "a quote opens here and is never closed"};
    }
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{origin(mark), "an alias inside its own anchor"};
    const auto& [node, weight] = found->second;
    if (open_.size() + weight.depth > kMaxDepth) refuse_depth(mark);
    spend(weight, origin(mark));
    add(Node(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::list(), mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::map(), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    bool has_key = false;  // a mapping's key was read, its value comes next
    std::string key;
    Origin key_origin;
    std::unordered_map<std::string, Origin> seen;
  };

  // "?" and "!" are what the parser itself puts on plain and on quoted values.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refused{origin(mark), "the tag " + in_quotes(tag) + " is not supported: write the value without it"};
  }
  [[noreturn]] void refuse_depth(const YAML::Mark& mark) const {
    throw Refused{origin(mark), "nested more than " + std::to_string(kMaxDepth) + " levels deep"};
  }

  void spend(const Weight& weight, const Origin& at) {
    spent_.nodes += weight.nodes;
    spent_.bytes += weight.bytes;
    if (spent_.nodes > kMaxNodes || spent_.bytes > kMaxExpandedBytes) {
      throw Refused{at, "more than " + std::to_string(kMaxNodes) +
                            " values or 16 MiB of text after aliases are expanded, which no configuration needs"};
    }
  }

  void open(Node node, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (open_.size() + 1 >= kMaxDepth) refuse_depth(mark);
    node.origin = origin(mark);
    expect_value_or_key(node);
    open_.push_back({std::move(node), anchor, false, {}, {}, {}});
  }

  void close() {
    Open top = std::move(open_.back());
    open_.pop_back();
    finish(std::move(top.node), top.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    spend({.nodes = 1, .bytes = node.text.size(), .depth = 1}, node.origin);
    if (anchor != YAML::NullAnchor) {
      const Weight weight = weigh(node);
      spend(weight, node.origin);  // the copy that aliases are made from
      anchors_.insert_or_assign(anchor, std::pair{node, weight});
    }
    add(std::move(node));
  }

  // A collection where a key should stand can only be refused: option names are words.
  void expect_value_or_key(const Node& node) const {
    if (open_.empty()) return;
    const Open& top = open_.back();
    if (top.node.kind == Node::Kind::kMap && !top.has_key) {
      throw Refused{node.origin, "a key must be a word, got " + node.kind_name()};
    }
  }

  void add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node.kind == Node::Kind::kList) {
      top.node.items.push_back(std::move(node));
    } else if (!top.has_key) {
      begin_entry(top, std::move(node));
    } else {
      end_entry(top, std::move(node));
    }
  }

  static void begin_entry(Open& top, Node key) {
    if (key.kind != Node::Kind::kScalar) throw Refused{key.origin, "a key must be a word, got " + key.kind_name()};
    if (key.text == "<<" && !key.is_quoted) {
      throw Refused{key.origin, "the merge key '<<' is not supported: name the file to inherit from in 'base:'"};
    }
    top.has_key = true;
    top.key = std::move(key.text);
    top.key_origin = key.origin;
  }

  void end_entry(Open& top, Node value) {
    top.has_key = false;
    const auto [first, is_new] = top.seen.try_emplace(top.key, top.key_origin);
    if (is_new) {
      top.node.entries.push_back({std::move(top.key), top.key_origin, std::move(value)});
    } else {
      diagnostics_.report(top.key_origin, "duplicate key " + in_quotes(top.key) + ", first at " + first->second.text());
    }
  }

  QuoteCheck quotes_;
  const OriginOf& origin_of_;
  Diagnostics& diagnostics_;
  Node root_;  // stays kNull for an empty text
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<Node, Weight>> anchors_;
  Weight spent_{.nodes = 0, .bytes = 0, .depth = 0};
  int documents_ = 0;
};

}  // namespace

std::optional<Node> build_tree(const std::string& text, const OriginOf& origin_of, Diagnostics& diagnostics) {
  TreeBuilder builder(text, origin_of, diagnostics);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    diagnostics.report(refused.origin, refused.message);
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    const bool has_mark = !error.mark.is_null();
    diagnostics.report(has_mark ? builder.origin(error.mark) : origin_of(1, 1),
                       "not valid YAML: " + shortened(error.msg, 200));
    return std::nullopt;
  }
  Node root = builder.take_root();
  if (root.origin.source == nullptr) root.origin = origin_of(1, 1);
  return root;
}

}  // namespace drystill::configs
