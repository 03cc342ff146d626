#include "configs/option_type.h"

#include <algorithm>

namespace drystill::configs {

OwnedOption make_option(const OptionType& type) {
  auto storage = type.make();
  return {storage, {&type, storage.get()}};
}

OwnedOption make_alternative(const OptionType& variant, std::size_t index) {
  auto made = make_option(variant);
  variant.select(made.ref.data, index);
  return made;
}

std::size_t index_of(const std::vector<std::string>& names, std::string_view name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

bool equal(OptionRef a, OptionRef b) {
  const OptionType& type = *a.type;
  switch (type.kind) {
    case OptionKind::kBool:
      return a.as<bool>() == b.as<bool>();
    case OptionKind::kInteger:
      return a.as<std::int64_t>() == b.as<std::int64_t>();
    case OptionKind::kNumber:
      return a.as<double>() == b.as<double>();
    case OptionKind::kString:
      return a.as<std::string>() == b.as<std::string>();
    case OptionKind::kEnum:
      return type.index(a.data) == type.index(b.data);
    case OptionKind::kVariant:
      return type.index(a.data) == type.index(b.data) && equal(type.child(a.data, 0), type.child(b.data, 0));
    case OptionKind::kOptional:
    case OptionKind::kList: {
      const std::size_t size = type.size(a.data);
      if (size != type.size(b.data)) return false;
      for (std::size_t i = 0; i < size; ++i) {
        if (!equal(type.child(a.data, i), type.child(b.data, i))) return false;
      }
      return true;
    }
    case OptionKind::kStruct: {
      const auto ours = type.fields(a.data);
      const auto theirs = type.fields(b.data);
      return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                        [](const OptionField& x, const OptionField& y) { return equal(x.ref, y.ref); });
    }
  }
  return false;
}

}  // namespace drystill::configs
