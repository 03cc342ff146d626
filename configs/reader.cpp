#include "configs/reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "configs/resolve.h"
#include "configs/scalar.h"

namespace drystill::configs {
namespace {

std::string range_problem(double value, const Limits& limits) {
  const bool is_above = limits.exclusive_minimum ? value > limits.minimum : value >= limits.minimum;
  if (is_above && value <= limits.maximum) return "";
  const bool has_maximum = std::isfinite(limits.maximum);
  const std::string minimum = write_number(limits.minimum);
  const std::string maximum = write_number(limits.maximum);
  if (!std::isfinite(limits.minimum)) return "must be at most " + maximum;
  if (limits.exclusive_minimum) return "must be above " + minimum + (has_maximum ? " and at most " + maximum : "");
  return has_maximum ? "must be between " + minimum + " and " + maximum : "must be at least " + minimum;
}

std::vector<std::string> names_of(const std::vector<OptionField>& fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const auto& field : fields) names.push_back(field.name);
  return names;
}

// Whether an error was reported at the node or inside it.
bool has_reported(const Node& node) {
  return node.is_reported || std::ranges::any_of(node.items, has_reported) ||
         std::ranges::any_of(node.entries, [](const Entry& entry) { return has_reported(entry.value); });
}

class Reader {
 public:
  Reader(Diagnostics& diagnostics, Origins* origins) : diagnostics_(diagnostics), origins_(origins) {}

  void read(const Node& node, OptionRef ref, const Limits& limits, const std::string& path) {
    if (node.is_reported) return;
    switch (ref.type->kind) {
      case OptionKind::kBool:
        return read_value(node, ref.as<bool>(), parse_bool, "true or false", limits, path);
      case OptionKind::kInteger:
        return read_value(node, ref.as<std::int64_t>(), parse_integer, "an integer", limits, path);
      case OptionKind::kNumber:
        return read_value(node, ref.as<double>(), parse_number, "a number", limits, path);
      case OptionKind::kString:
        return read_string(node, ref.as<std::string>(), limits, path);
      case OptionKind::kEnum:
        return read_enum(node, ref, path);
      case OptionKind::kOptional:
        return read_optional(node, ref, limits, path);
      case OptionKind::kList:
        return read_list(node, ref, limits, path);
      case OptionKind::kStruct:
        return read_struct(node, ref, nullptr, path);
      case OptionKind::kVariant:
        return read_variant(node, ref, path);
    }
  }

 private:
  void remember(const std::string& path, const Node& node) {
    if (origins_ != nullptr) (*origins_)[path] = node.origin;
  }

  void report_kind(const Node& node, const std::string& path, const std::string& expected,
                   const std::string& hint = "") {
    const std::string subject = path.empty() ? "the configuration" : in_quotes(path);
    diagnostics_.report(node.origin, subject + " must be " + expected + ", got " + node.kind_name() + hint);
  }

  // bool, integer, number: parsed by `parse`, then held against the range.
  template <class T>
  void read_value(const Node& node, T& value, Parsed<T> (*parse)(const Node&), const char* expected,
                  const Limits& limits, const std::string& path) {
    if (node.kind != Node::Kind::kScalar) return report_kind(node, path, expected);
    const Parsed<T> parsed = parse(node);
    if (!parsed.value) return report_kind(node, path, expected, parsed.hint);
    const std::string problem = range_problem(static_cast<double>(*parsed.value), limits);
    if (!problem.empty()) {
      diagnostics_.report(node.origin, in_quotes(path) + " " + problem + ", got " + shortened(node.text));
      return;
    }
    value = *parsed.value;
    remember(path, node);
  }

  void read_string(const Node& node, std::string& value, const Limits& limits, const std::string& path) {
    if (node.kind != Node::Kind::kScalar) {
      const bool is_null = node.kind == Node::Kind::kNull;
      return report_kind(node, path, "a string", is_null ? " (write '' for an empty string)" : "");
    }
    if (!limits.choices.empty() && index_of(limits.choices, node.text) == limits.choices.size()) {
      return report_choice(node, limits.choices, path);
    }
    value = node.text;
    remember(path, node);
  }

  void report_choice(const Node& node, const std::vector<std::string>& names, const std::string& path) {
    const std::string hint = node.kind == Node::Kind::kScalar ? hint_for(node.text, names) : "";
    // The sentence lists the names already: only a near one is worth repeating.
    report_kind(node, path, "one of " + listed(names), hint.starts_with(" (did") ? hint : "");
  }

  void read_enum(const Node& node, OptionRef ref, const std::string& path) {
    const auto names = ref.type->names();
    const std::size_t index = node.kind == Node::Kind::kScalar ? index_of(names, node.text) : names.size();
    if (index == names.size()) return report_choice(node, names, path);
    ref.type->select(ref.data, index);
    remember(path, node);
  }

  void read_optional(const Node& node, OptionRef ref, const Limits& limits, const std::string& path) {
    const bool is_absent = node.kind == Node::Kind::kNull;
    ref.type->resize(ref.data, is_absent ? 0 : 1);
    if (is_absent) return remember(path, node);
    read(node, ref.type->child(ref.data, 0), limits, path);
  }

  void read_list(const Node& node, OptionRef ref, const Limits& limits, const std::string& path) {
    if (node.kind != Node::Kind::kList) return report_kind(node, path, "a list", " (write [a, b])");
    ref.type->resize(ref.data, 0);  // entries start from fresh values, not from those of the default's list
    ref.type->resize(ref.data, node.items.size());
    remember(path, node);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      read(node.items[i], ref.type->child(ref.data, i), limits, path + "[" + std::to_string(i) + "]");
    }
  }

  void read_variant(const Node& node, OptionRef ref, const std::string& path) {
    if (node.kind != Node::Kind::kMap && node.kind != Node::Kind::kNull) {
      return report_kind(node, path, "a mapping", " (write " + std::string(ref.type->key) + ": NAME in it)");
    }
    const Entry* entry = node.find(ref.type->key);
    if (entry == nullptr && path.empty()) {
      // Inside a configuration the default alternative stands for itself; what a whole file is about must be said.
      diagnostics_.report(node.origin,
                          "missing key " + in_quotes(ref.type->key) + ": one of " + listed(ref.type->names()));
      return;
    }
    if (entry != nullptr && !entry->value.is_reported) {
      const auto names = ref.type->names();
      const Node& name = entry->value;
      const std::string name_path = join_path(path, ref.type->key);
      const std::size_t index = name.kind == Node::Kind::kScalar ? index_of(names, name.text) : names.size();
      if (index == names.size()) return report_choice(name, names, name_path);
      if (index != ref.type->index(ref.data)) ref.type->select(ref.data, index);
      remember(name_path, name);
    }
    read_struct(node, ref.type->child(ref.data, 0), ref.type, path);
  }

  // `variant` is the variant whose alternative this struct is, or null: its key stands among the fields.
  void read_struct(const Node& node, OptionRef ref, const OptionType* variant, const std::string& path) {
    if (node.kind != Node::Kind::kMap && node.kind != Node::Kind::kNull) return report_kind(node, path, "a mapping");
    const std::size_t errors_before = diagnostics_.count();
    const auto fields = ref.type->fields(ref.data);
    report_unknown_keys(node, fields, variant, path);
    for (const auto& field : fields) {
      const Entry* entry = node.find(field.name);
      const std::string field_path = join_path(path, field.name);
      if (entry != nullptr) {
        read(entry->value, field.ref, field.limits, field_path);
      } else if (field.limits.required) {
        diagnostics_.report(node.origin, "missing key " + in_quotes(field_path) + ": " + field.help);
      } else if (field.ref.type->kind == OptionKind::kStruct || field.ref.type->kind == OptionKind::kVariant) {
        Node absent;  // its own required keys and problems still count
        absent.origin = node.origin;
        read(absent, field.ref, field.limits, field_path);
      }
    }
    // Rules over several fields make sense only where each field does.
    if (diagnostics_.count() == errors_before && !has_reported(node)) report_problems(node, ref, path);
  }

  void report_unknown_keys(const Node& node, const std::vector<OptionField>& fields, const OptionType* variant,
                           const std::string& path) {
    auto names = names_of(fields);
    if (variant != nullptr) names.insert(names.begin(), std::string(variant->key));
    for (const auto& entry : node.entries) {
      if (index_of(names, entry.key) != names.size()) continue;
      const std::string where = path.empty() ? "" : " in " + in_quotes(path);
      diagnostics_.report(entry.key_origin, "unknown key " + in_quotes(entry.key) + where + hint_for(entry.key, names));
    }
  }

  void report_problems(const Node& node, OptionRef ref, const std::string& path) {
    if (ref.type->problems == nullptr) return;
    for (const auto& problem : ref.type->problems(ref.data)) {
      const Entry* entry = node.find(problem.field);
      diagnostics_.report(entry != nullptr ? entry->value.origin : node.origin,
                          in_quotes(join_path(path, problem.field)) + " " + problem.message);
    }
  }

  Diagnostics& diagnostics_;
  Origins* origins_;
};

void read_resolved(const std::optional<Node>& root, OptionRef options, Diagnostics& diagnostics, Origins* origins) {
  if (root) read_options(*root, options, diagnostics, origins);
  diagnostics.throw_if_any();
}

}  // namespace

void read_options(const Node& root, OptionRef options, Diagnostics& diagnostics, Origins* origins) {
  Reader(diagnostics, origins).read(root, options, Limits{}, "");
}

void load_options(const std::filesystem::path& file, const std::vector<std::string>& assignments, OptionRef options,
                  Origins* origins) {
  Diagnostics diagnostics;
  read_resolved(resolve(file, assignments, options, diagnostics), options, diagnostics, origins);
}

void load_options_text(std::string_view text, const std::string& source, const std::vector<std::string>& assignments,
                       OptionRef options, Origins* origins) {
  Diagnostics diagnostics;
  read_resolved(resolve_text(text, source, assignments, options, diagnostics), options, diagnostics, origins);
}

}  // namespace drystill::configs
