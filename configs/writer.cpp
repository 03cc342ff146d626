#include "configs/writer.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "configs/interpolate.h"
#include "configs/json_value.h"
#include "configs/scalar.h"
#include "configs/yaml_emitter.h"

namespace drystill::configs {
namespace {

class TreeWriter {
 public:
  explicit TreeWriter(const WriteOptions& write) : write_(write) {}

  // `base` is what the reader would find where the file says nothing; null: write everything.
  Node write(OptionRef ref, const OptionRef* base, const std::string& path) {
    Node node = write_kind(ref, base, path);
    if (write_.origins != nullptr) {
      const auto found = write_.origins->find(path);
      if (found != write_.origins->end()) node.origin = found->second;
    }
    return node;
  }

 private:
  Node write_kind(OptionRef ref, const OptionRef* base, const std::string& path) {
    switch (ref.type->kind) {
      case OptionKind::kBool:
        return Node::scalar(ref.as<bool>() ? "true" : "false");
      case OptionKind::kInteger:
        return Node::scalar(std::to_string(ref.as<std::int64_t>()));
      case OptionKind::kNumber:
        return Node::scalar(write_number(ref.as<double>()));
      case OptionKind::kString:
        return Node::scalar(escape_references(ref.as<std::string>()), true);
      case OptionKind::kEnum:
        return Node::scalar(ref.type->names()[ref.type->index(ref.data)], true);
      case OptionKind::kOptional:
        return write_optional(ref, base, path);
      case OptionKind::kList:
        return write_list(ref, path);
      case OptionKind::kStruct:
        return write_struct(ref, base, path);
      case OptionKind::kVariant:
        return write_variant(ref, base, path);
    }
    return {};
  }

  Node write_optional(OptionRef ref, const OptionRef* base, const std::string& path) {
    if (ref.type->size(ref.data) == 0) return {};
    const OptionRef value = ref.type->child(ref.data, 0);
    if (base == nullptr) return write(value, nullptr, path);
    // An absent optional is filled with a fresh value before its keys are read.
    const OwnedOption fresh = make_option(*ref.type);
    const OptionRef holder = base->type->size(base->data) == 0 ? fresh.ref : *base;
    holder.type->resize(holder.data, 1);
    const OptionRef inner = holder.type->child(holder.data, 0);
    return write(value, &inner, path);
  }

  Node write_list(OptionRef ref, const std::string& path) {
    Node node = Node::list();
    for (std::size_t i = 0; i < ref.type->size(ref.data); ++i) {
      node.items.push_back(write(ref.type->child(ref.data, i), nullptr, path + "[" + std::to_string(i) + "]"));
    }
    return node;
  }

  Node write_struct(OptionRef ref, const OptionRef* base, const std::string& path) {
    Node node = Node::map();
    const auto fields = ref.type->fields(ref.data);
    const auto defaults = base != nullptr ? base->type->fields(base->data) : std::vector<OptionField>{};
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool is_kept = base == nullptr || fields[i].limits.required || !equal(fields[i].ref, defaults[i].ref);
      if (!is_kept) continue;
      node.add(fields[i].name,
               write(fields[i].ref, base != nullptr ? &defaults[i].ref : nullptr, join_path(path, fields[i].name)));
    }
    return node;
  }

  Node write_variant(OptionRef ref, const OptionRef* base, const std::string& path) {
    const OptionType& type = *ref.type;
    const std::size_t index = type.index(ref.data);
    OwnedOption fresh;
    std::optional<OptionRef> inner;
    if (base != nullptr && type.index(base->data) == index) {
      inner = type.child(base->data, 0);
    } else if (base != nullptr) {
      fresh = make_alternative(type, index);
      inner = type.child(fresh.ref.data, 0);
    }
    Node node = write_struct(type.child(ref.data, 0), inner ? &*inner : nullptr, path);
    Node name = Node::scalar(type.names()[index], true);
    if (write_.origins != nullptr) {
      const auto found = write_.origins->find(join_path(path, type.key));
      if (found != write_.origins->end()) name.origin = found->second;
    }
    node.entries.insert(node.entries.begin(), Entry{std::string(type.key), name.origin, name});
    return node;
  }

  const WriteOptions& write_;
};

}  // namespace

Node to_tree(OptionRef options, const WriteOptions& write) {
  if (!write.minimal) return TreeWriter(write).write(options, nullptr, "");
  const OwnedOption defaults = make_option(*options.type);
  return TreeWriter(write).write(options, &defaults.ref, "");
}

std::string to_yaml(OptionRef options, const WriteOptions& write) {
  return emit_yaml(to_tree(options, write), write.origins != nullptr);
}

std::string to_json(OptionRef options) {
  return json_value(options).dump(2);
}

}  // namespace drystill::configs
