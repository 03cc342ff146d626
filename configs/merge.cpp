#include "configs/merge.h"

#include <utility>

namespace drystill::configs {
namespace {

// The option value a mapping is about to describe, made on the way where the defaults do not hold it.
struct Cursor {
  std::optional<OptionRef> ref;
  std::vector<std::shared_ptr<void>> kept_alive;

  void adopt(OwnedOption made) {
    ref = made.ref;
    kept_alive.push_back(std::move(made.storage));
  }
};

std::string alternative_of(const Node& mapping, const OptionType& type, const std::string& otherwise) {
  const Entry* entry = mapping.find(type.key);
  return entry != nullptr && entry->value.kind == Node::Kind::kScalar ? entry->value.text : otherwise;
}

// Steps through optionals and variants to the struct below. False where `above` names another alternative.
bool descend(Cursor& cursor, const Node& below, const Node& above, bool is_top) {
  if (cursor.ref && cursor.ref->type->kind == OptionKind::kOptional) {
    OptionRef holder = *cursor.ref;
    if (holder.type->size(holder.data) == 0) {
      cursor.adopt(make_option(*holder.type));
      holder = *cursor.ref;
      holder.type->resize(holder.data, 1);
    }
    cursor.ref = holder.type->child(holder.data, 0);
  }
  if (!cursor.ref || cursor.ref->type->kind != OptionKind::kVariant) return true;
  const OptionType& type = *cursor.ref->type;
  const auto names = type.names();
  const std::size_t current = type.index(cursor.ref->data);
  // At the top a file that names none is a part for whatever names it as its base, not one for the default.
  const std::string unnamed = is_top ? alternative_of(above, type, names[current]) : names[current];
  const std::string old_name = alternative_of(below, type, unnamed);
  if (alternative_of(above, type, old_name) != old_name) return false;
  const std::size_t index = index_of(names, old_name);
  if (index == names.size()) {
    cursor.ref.reset();  // an unknown name: the reader reports it
    return true;
  }
  if (index != current) cursor.adopt(make_alternative(type, index));
  cursor.ref = type.child(cursor.ref->data, 0);
  return true;
}

std::optional<OptionRef> field_of(const std::vector<OptionField>& fields, const std::string& name) {
  for (const auto& field : fields) {
    if (field.name == name) return field.ref;
  }
  return std::nullopt;
}

void merge_at(Node& below, Node above, std::optional<OptionRef> schema, bool is_top) {
  Cursor cursor{schema, {}};
  const bool are_mappings = below.kind == Node::Kind::kMap && above.kind == Node::Kind::kMap;
  if (!are_mappings || !descend(cursor, below, above, is_top)) {
    below = std::move(above);
    return;
  }
  std::vector<OptionField> fields;
  if (cursor.ref && cursor.ref->type->kind == OptionKind::kStruct) fields = cursor.ref->type->fields(cursor.ref->data);
  below.origin = above.origin;
  for (auto& entry : above.entries) {
    if (Entry* existing = below.find(entry.key)) {
      existing->key_origin = entry.key_origin;
      merge_at(existing->value, std::move(entry.value), field_of(fields, entry.key), false);
    } else {
      below.entries.push_back(std::move(entry));
    }
  }
}

}  // namespace

void merge(Node& below, Node above, std::optional<OptionRef> schema) {
  merge_at(below, std::move(above), schema, true);
}

}  // namespace drystill::configs
