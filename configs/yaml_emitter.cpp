#include "configs/yaml_emitter.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "configs/scalar.h"

namespace drystill::configs {
namespace {

// A double-quoted YAML string; bytes from 0x80 pass through as the UTF-8 they are.
std::string double_quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string scalar_text(const Node& node) {
  if (node.kind == Node::Kind::kNull) return "null";
  return node.is_quoted && needs_quotes(node.text) ? double_quoted(node.text) : node.text;
}

bool is_single(const Node& node) {
  return node.kind == Node::Kind::kNull || node.kind == Node::Kind::kScalar;
}

class Emitter {
 public:
  explicit Emitter(bool with_origins) : with_origins_(with_origins) {}

  // The value behind "key:" or "-", with the line feed.
  void value(const Node& node, std::size_t indent) {
    if (is_single(node)) {
      out_ += " " + scalar_text(node);
      end_line(node);
    } else if (node.items.empty() && node.entries.empty()) {
      out_ += node.kind == Node::Kind::kList ? " []" : " {}";
      end_line(node);
    } else if (node.kind == Node::Kind::kList && std::all_of(node.items.begin(), node.items.end(), is_single)) {
      out_ += " [";
      for (std::size_t i = 0; i < node.items.size(); ++i) out_ += (i > 0 ? ", " : "") + scalar_text(node.items[i]);
      out_ += "]";
      end_line(node);
    } else {
      out_ += '\n';
      block(node, indent);
    }
  }

  void block(const Node& node, std::size_t indent) {
    for (const auto& item : node.items) {
      out_.append(indent, ' ');
      out_ += '-';
      value(item, indent + 2);
    }
    for (const auto& entry : node.entries) {
      out_.append(indent, ' ');
      out_ += needs_quotes(entry.key) ? double_quoted(entry.key) : entry.key;
      out_ += ':';
      value(entry.value, indent + 2);
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void end_line(const Node& node) {
    if (with_origins_) out_ += "  # " + node.origin.text();
    out_ += '\n';
  }

  bool with_origins_;
  std::string out_;
};

}  // namespace

std::string emit_yaml(const Node& root, bool with_origins) {
  if (root.kind == Node::Kind::kMap && root.entries.empty()) return "{}\n";
  Emitter emitter(with_origins);
  emitter.block(root, 0);
  return emitter.take();
}

}  // namespace drystill::configs
