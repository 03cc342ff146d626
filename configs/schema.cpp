#include "configs/schema.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "configs/json_value.h"

namespace drystill::configs {
namespace {

using Json = nlohmann::ordered_json;

void add_limits(Json& schema, const Limits& limits) {
  if (std::isfinite(limits.minimum)) {
    schema[limits.exclusive_minimum ? "exclusiveMinimum" : "minimum"] = limits.minimum;
  }
  if (std::isfinite(limits.maximum)) schema["maximum"] = limits.maximum;
  if (!limits.choices.empty()) schema["enum"] = limits.choices;
}

Json describe(OptionRef ref, const Limits& limits);

Json describe_struct(OptionRef ref) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
  for (const auto& field : ref.type->fields(ref.data)) {
    Json property = describe(field.ref, field.limits);
    property["description"] = field.help;
    const OptionKind kind = field.ref.type->kind;
    const bool has_own_defaults = kind == OptionKind::kStruct || kind == OptionKind::kVariant;
    if (!has_own_defaults && !field.limits.required) property["default"] = json_value(field.ref);
    if (field.limits.required) schema["required"].push_back(field.name);
    schema["properties"][field.name] = std::move(property);
  }
  return schema;
}

Json describe_alternative(OptionRef alternative, const std::string& key, const std::string& name, bool is_default) {
  Json schema = describe_struct(alternative);
  Json properties = {{key, {{"const", name}}}};
  properties.update(schema["properties"]);
  schema["properties"] = std::move(properties);
  schema["title"] = key + ": " + name;
  if (!is_default) schema["required"].push_back(key);  // the default alternative may leave its key out
  return schema;
}

Json describe_variant(OptionRef ref) {
  const OptionType& type = *ref.type;
  const auto names = type.names();
  Json alternatives = Json::array();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool is_default = i == type.index(ref.data);
    const OwnedOption made = make_alternative(type, i);
    const OptionRef alternative = type.child(is_default ? ref.data : made.ref.data, 0);
    alternatives.push_back(describe_alternative(alternative, std::string(type.key), names[i], is_default));
  }
  return {{"oneOf", std::move(alternatives)}};
}

// The element of a list or an optional, made where the default holds none.
Json describe_element(OptionRef ref, const Limits& limits) {
  const OwnedOption made = make_option(*ref.type);
  ref.type->resize(made.ref.data, 1);
  const bool holds_one = ref.type->kind == OptionKind::kOptional && ref.type->size(ref.data) == 1;
  return describe(ref.type->child(holds_one ? ref.data : made.ref.data, 0), limits);
}

Json describe(OptionRef ref, const Limits& limits) {
  Json schema = Json::object();
  switch (ref.type->kind) {
    case OptionKind::kBool:
      return {{"type", "boolean"}};
    case OptionKind::kInteger:
      schema["type"] = "integer";
      break;
    case OptionKind::kNumber:
      schema["type"] = "number";
      break;
    case OptionKind::kString:
      schema["type"] = "string";
      break;
    case OptionKind::kEnum:
      return {{"enum", ref.type->names()}};
    case OptionKind::kOptional:
      return {{"anyOf", Json::array({describe_element(ref, limits), {{"type", "null"}}})}};
    case OptionKind::kList:
      return {{"type", "array"}, {"items", describe_element(ref, limits)}};
    case OptionKind::kStruct:
      return describe_struct(ref);
    case OptionKind::kVariant:
      return describe_variant(ref);
  }
  add_limits(schema, limits);
  return schema;
}

// `base` is taken off before options are read, so every form of the top level may hold it.
void allow_base(Json& schema) {
  const Json name = {{"type", "string"}};
  const Json names = {{"type", "array"}, {"items", name}};
  schema["properties"]["base"] = {{"description", "files to inherit from, relative to this one"},
                                  {"anyOf", Json::array({name, names})}};
}

}  // namespace

std::string json_schema(OptionRef options, const std::string& title) {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
  Json described = describe(options, Limits{});
  if (described.contains("oneOf")) {
    for (auto& alternative : described["oneOf"]) {
      alternative["required"] = Json::array({options.type->key});  // at the top the key must be there: reader.cpp
      allow_base(alternative);
    }
  } else {
    allow_base(described);
  }
  schema.update(described);
  return schema.dump(2);
}

}  // namespace drystill::configs
