#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/fields.h"

// Forgets the C++ type of option structs. The reader, the writer and the schema are ordinary code over OptionRef; what
// a new option struct adds to a build is one list of its fields.

namespace drystill::configs {

enum class OptionKind { kBool, kInteger, kNumber, kString, kEnum, kOptional, kList, kStruct, kVariant };

struct OptionType;

// One option value: what it is and where it lives. Whoever made it keeps the value alive.
struct OptionRef {
  const OptionType* type;
  void* data;

  template <class T>
  T& as() const {
    return *static_cast<T*>(data);
  }
};

struct OptionField {
  std::string name;
  OptionRef ref;
  std::string help;
  Limits limits;
};

// What can be done with a value of one type; entries that make no sense for its kind are null.
struct OptionType {
  OptionKind kind;
  std::string_view key;                                     // kVariant: the key that names the alternative
  std::vector<std::string> (*names)() = nullptr;            // kEnum, kVariant
  std::size_t (*index)(const void*) = nullptr;              // kEnum: value; kVariant: alternative
  void (*select)(void*, std::size_t) = nullptr;             // kEnum; kVariant: a fresh alternative
  std::size_t (*size)(const void*) = nullptr;               // kList; kOptional: 0 or 1
  void (*resize)(void*, std::size_t) = nullptr;             // kList, kOptional: new elements are fresh
  OptionRef (*child)(void*, std::size_t) = nullptr;         // kList: element; kOptional: value; kVariant: alternative
  std::vector<OptionField> (*fields)(void*) = nullptr;      // kStruct
  std::vector<Problem> (*problems)(const void*) = nullptr;  // kStruct
  std::shared_ptr<void> (*make)() = nullptr;                // a fresh value
};

template <class T>
OptionRef option_ref(T& value);

namespace detail {

template <class T>
concept OptionStruct = requires(T& t) {
  t.visit([](auto&&...) {});
};
template <class T>
concept HasProblems = requires(const T& t) {
  { t.problems() } -> std::same_as<std::vector<Problem>>;
};

template <NamedEnum T>
constexpr void describe(OptionType& type, std::type_identity<T>) {
  type.kind = OptionKind::kEnum;
  type.names = [] {
    std::vector<std::string> names;
    for (const auto name : enum_names(T{})) names.emplace_back(name);
    return names;
  };
  type.index = [](const void* data) { return static_cast<std::size_t>(*static_cast<const T*>(data)); };
  type.select = [](void* data, std::size_t index) { *static_cast<T*>(data) = static_cast<T>(index); };
}

template <class T>
constexpr void describe(OptionType& type, std::type_identity<std::optional<T>>) {
  type.kind = OptionKind::kOptional;
  type.size = [](const void* data) { return std::size_t{static_cast<const std::optional<T>*>(data)->has_value()}; };
  type.resize = [](void* data, std::size_t size) {
    auto& value = *static_cast<std::optional<T>*>(data);
    if (size == 0) value.reset();
    if (size != 0 && !value) value.emplace();
  };
  type.child = [](void* data, std::size_t) { return option_ref(**static_cast<std::optional<T>*>(data)); };
}

template <class T>
constexpr void describe(OptionType& type, std::type_identity<std::vector<T>>) {
  static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no elements to point at");
  type.kind = OptionKind::kList;
  type.size = [](const void* data) { return static_cast<const std::vector<T>*>(data)->size(); };
  type.resize = [](void* data, std::size_t size) { static_cast<std::vector<T>*>(data)->resize(size); };
  type.child = [](void* data, std::size_t i) { return option_ref((*static_cast<std::vector<T>*>(data))[i]); };
}

template <Alternative First, Alternative... Rest>
constexpr void describe(OptionType& type, std::type_identity<std::variant<First, Rest...>>) {
  static_assert(((Rest::kKey == First::kKey) && ...), "the alternatives of one variant share one kKey");
  using Variant = std::variant<First, Rest...>;
  type.kind = OptionKind::kVariant;
  type.key = First::kKey;
  type.names = [] { return std::vector<std::string>{std::string(First::kName), std::string(Rest::kName)...}; };
  type.index = [](const void* data) { return static_cast<const Variant*>(data)->index(); };
  type.select = [](void* data, std::size_t index) {
    auto& value = *static_cast<Variant*>(data);
    std::size_t at = 0;
    const auto try_one = [&]<class T>(std::type_identity<T>) {
      if (at++ == index) value.template emplace<T>();
    };
    try_one(std::type_identity<First>{});
    (try_one(std::type_identity<Rest>{}), ...);
  };
  type.child = [](void* data, std::size_t) {
    return std::visit([](auto& alternative) { return option_ref(alternative); }, *static_cast<Variant*>(data));
  };
}

template <OptionStruct T>
constexpr void describe(OptionType& type, std::type_identity<T>) {
  type.kind = OptionKind::kStruct;
  type.fields = [](void* data) {
    std::vector<OptionField> fields;
    static_cast<T*>(data)->visit([&](std::string_view name, auto& member, std::string_view help, Limits limits = {}) {
      fields.push_back({std::string(name), option_ref(member), std::string(help), std::move(limits)});
    });
    return fields;
  };
  if constexpr (HasProblems<T>) {
    type.problems = [](const void* data) { return static_cast<const T*>(data)->problems(); };
  }
}

constexpr void describe(OptionType& type, std::type_identity<bool>) {
  type.kind = OptionKind::kBool;
}
constexpr void describe(OptionType& type, std::type_identity<std::int64_t>) {
  type.kind = OptionKind::kInteger;
}
constexpr void describe(OptionType& type, std::type_identity<double>) {
  type.kind = OptionKind::kNumber;
}
constexpr void describe(OptionType& type, std::type_identity<std::string>) {
  type.kind = OptionKind::kString;
}

template <class T>
constexpr OptionType make_type() {
  OptionType type{.kind = OptionKind::kBool, .key = {}};
  describe(type, std::type_identity<T>{});
  type.make = [] { return std::shared_ptr<void>(std::make_shared<T>()); };
  return type;
}

}  // namespace detail

template <class T>
inline constexpr OptionType kOptionType = detail::make_type<T>();

template <class T>
OptionRef option_ref(T& value) {
  return {&kOptionType<T>, &value};
}

// A view for code that only reads. The visitor is not const because the reader writes through it.
template <class T>
OptionRef option_view(const T& value) {
  return option_ref(const_cast<T&>(value));
}

// A fresh value of a type, kept alive by itself.
struct OwnedOption {
  std::shared_ptr<void> storage;
  OptionRef ref;
};
OwnedOption make_option(const OptionType& type);
OwnedOption make_alternative(const OptionType& variant, std::size_t index);  // `ref` is the variant itself

std::size_t index_of(const std::vector<std::string>& names, std::string_view name);  // names.size() where absent

// True where both hold the same values. Both must be of one type.
bool equal(OptionRef a, OptionRef b);

}  // namespace drystill::configs
