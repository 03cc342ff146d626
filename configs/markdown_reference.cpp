#include <cmath>
#include <utility>

#include "configs/diagnostics.h"
#include "configs/node.h"
#include "configs/scalar.h"
#include "configs/schema.h"
#include "configs/writer.h"

namespace drystill::configs {
namespace {

std::string range_text(const Limits& limits) {
  const bool has_minimum = std::isfinite(limits.minimum);
  const bool has_maximum = std::isfinite(limits.maximum);
  const std::string minimum = write_number(limits.minimum);
  const std::string maximum = write_number(limits.maximum);
  if (has_minimum && has_maximum)
    return " in " + std::string(limits.exclusive_minimum ? "(" : "[") + minimum + ", " + maximum + "]";
  if (has_minimum) return (limits.exclusive_minimum ? " > " : " >= ") + minimum;
  return has_maximum ? " <= " + maximum : "";
}

std::string type_text(OptionRef ref, const Limits& limits) {
  switch (ref.type->kind) {
    case OptionKind::kBool:
      return "true, false";
    case OptionKind::kInteger:
      return "integer" + range_text(limits);
    case OptionKind::kNumber:
      return "number" + range_text(limits);
    case OptionKind::kString:
      return limits.choices.empty() ? "string" : listed(limits.choices);
    case OptionKind::kEnum:
      return listed(ref.type->names());
    case OptionKind::kStruct:
      return "mapping";
    case OptionKind::kVariant:
      return std::string(ref.type->key) + ": " + listed(ref.type->names());
    case OptionKind::kOptional:
    case OptionKind::kList: {
      const OwnedOption made = make_option(*ref.type);
      ref.type->resize(made.ref.data, 1);
      const std::string element = type_text(ref.type->child(made.ref.data, 0), limits);
      return ref.type->kind == OptionKind::kList ? "list of " + element : element + ", or null";
    }
  }
  return "";
}

std::string default_text(const OptionField& field) {
  if (field.limits.required) return "**required**";
  const Node node = to_tree(field.ref);
  switch (node.kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kScalar:
      return node.text.empty() ? "''" : "`" + node.text + "`";
    case Node::Kind::kList: {
      std::vector<std::string> items;
      for (const auto& item : node.items) items.push_back(item.text);
      return "`[" + listed(items) + "]`";
    }
    case Node::Kind::kMap: {
      const bool is_variant = field.ref.type->kind == OptionKind::kVariant;
      return is_variant ? "`" + node.entries.front().value.text + "`" : "";
    }
  }
  return "";
}

std::string cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, "\\");
  return text;
}

class ReferenceWriter {
 public:
  // `note` names the alternatives chosen on the way: "(method: adam) ".
  void rows(OptionRef ref, const std::string& path, const std::string& note) {
    for (const auto& field : ref.type->fields(ref.data)) {
      const std::string field_path = join_path(path, field.name);
      row(field, field_path, note);
      inner_rows(field.ref, field_path, note);
    }
  }

  void tables(OptionRef ref) {
    if (ref.type->kind != OptionKind::kVariant) {
      out_ += kHeader;
      rows(ref, "", "");
      return;
    }
    each_alternative(ref, [&](OptionRef alternative, const std::string& name) {
      out_ += (out_.empty() ? "### `" : "\n### `") + std::string(ref.type->key) + ": " + name + "`\n\n" + kHeader;
      rows(alternative, "", "");
    });
  }

  std::string take() { return std::move(out_); }

 private:
  void row(const OptionField& field, const std::string& path, const std::string& note) {
    out_ += "| `" + path + "` | " + cell(type_text(field.ref, field.limits)) + " | " + cell(default_text(field)) +
            " | " + note + cell(field.help) + " |\n";
  }

  static constexpr const char* kHeader = "| key | type | default | meaning |\n|---|---|---|---|\n";

  template <class Function>
  static void each_alternative(OptionRef ref, const Function& function) {
    const auto names = ref.type->names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const OwnedOption made = make_alternative(*ref.type, i);
      const bool is_default = ref.type->index(ref.data) == i;
      function(ref.type->child(is_default ? ref.data : made.ref.data, 0), names[i]);
    }
  }

  void inner_rows(OptionRef ref, const std::string& path, const std::string& note) {
    switch (ref.type->kind) {
      case OptionKind::kStruct:
        return rows(ref, path, note);
      case OptionKind::kVariant:
        return each_alternative(ref, [&](OptionRef alternative, const std::string& name) {
          rows(alternative, path, note + "(" + std::string(ref.type->key) + ": " + name + ") ");
        });
      case OptionKind::kOptional:
      case OptionKind::kList: {
        const OwnedOption made = make_option(*ref.type);
        ref.type->resize(made.ref.data, 1);
        return inner_rows(ref.type->child(made.ref.data, 0), ref.type->kind == OptionKind::kList ? path + "[]" : path,
                          note);
      }
      default:
        return;
    }
  }

  std::string out_;
};

}  // namespace

std::string markdown_reference(OptionRef options) {
  ReferenceWriter writer;
  writer.tables(options);
  return writer.take();
}

}  // namespace drystill::configs
