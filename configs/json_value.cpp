#include "configs/json_value.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "configs/scalar.h"

namespace drystill::configs {

nlohmann::ordered_json json_value(OptionRef ref) {
  using Json = nlohmann::ordered_json;
  const OptionType& type = *ref.type;
  switch (type.kind) {
    case OptionKind::kBool:
      return ref.as<bool>();
    case OptionKind::kInteger:
      return ref.as<std::int64_t>();
    case OptionKind::kNumber: {
      const double value = ref.as<double>();
      return std::isfinite(value) ? Json(value) : Json(write_number(value));
    }
    case OptionKind::kString:
      return ref.as<std::string>();
    case OptionKind::kEnum:
      return type.names()[type.index(ref.data)];
    case OptionKind::kOptional:
      return type.size(ref.data) == 0 ? Json() : json_value(type.child(ref.data, 0));
    case OptionKind::kList: {
      Json list = Json::array();
      for (std::size_t i = 0; i < type.size(ref.data); ++i) list.push_back(json_value(type.child(ref.data, i)));
      return list;
    }
    case OptionKind::kStruct: {
      Json object = Json::object();
      for (const auto& field : type.fields(ref.data)) object[field.name] = json_value(field.ref);
      return object;
    }
    case OptionKind::kVariant: {
      Json object = Json::object();
      object[std::string(type.key)] = type.names()[type.index(ref.data)];
      object.update(json_value(type.child(ref.data, 0)));
      return object;
    }
  }
  return {};
}

}  // namespace drystill::configs
