#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/quote.h"

// Internal to this room: typed reading of a JSON object somebody else wrote. Included by .cpp files only.

namespace drystill::language {

// The keys of one JSON object. A key that is null counts as absent.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string source) : object_(object), source_(std::move(source)) {
    if (!object.is_object()) throw InputError(source_ + ": expected a JSON object");
  }

  bool has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  bool is_null(const char* key) const { return object_.contains(key) && object_.at(key).is_null(); }
  const nlohmann::json& at(const char* key) const { return object_.at(key); }

  std::int64_t integer(const char* key) const {
    if (!has(key)) throw InputError(source_ + ": key '" + key + "' is missing, expected an integer");
    return integer_of(object_.at(key), key);
  }
  std::int64_t integer(const char* key, std::int64_t otherwise) const { return has(key) ? integer(key) : otherwise; }
  std::optional<std::int64_t> maybe_integer(const char* key) const {
    return has(key) ? std::optional(integer(key)) : std::nullopt;
  }
  double number(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_.at(key).is_number()) wrong(key, "a number");
    return object_.at(key).get<double>();
  }
  bool boolean(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_.at(key).is_boolean()) wrong(key, "true or false");
    return object_.at(key).get<bool>();
  }
  std::string text(const char* key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_.at(key).is_string()) wrong(key, "a text");
    return object_.at(key).get<std::string>();
  }
  // One integer, or a list of them.
  std::vector<std::int64_t> integers(const char* key) const {
    std::vector<std::int64_t> values;
    if (!has(key)) return values;
    const auto& value = object_.at(key);
    if (!value.is_array()) return {integer_of(value, key)};
    for (const auto& item : value) values.push_back(integer_of(item, key));
    return values;
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> values;
    if (!has(key)) return values;
    const auto& value = object_.at(key);
    if (!value.is_array()) wrong(key, "a list of texts");
    for (const auto& item : value) {
      if (!item.is_string()) wrong(key, "a list of texts");
      values.push_back(item.get<std::string>());
    }
    return values;
  }
  const std::string& source() const { return source_; }

 private:
  [[noreturn]] void wrong(const char* key, const char* expected) const {
    throw InputError(source_ + ": key '" + key + "' is " + io::quote(object_.at(key).dump()) + ", expected " +
                     expected);
  }
  std::int64_t integer_of(const nlohmann::json& value, const char* key) const {
    if (!value.is_number_integer()) wrong(key, "an integer");
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) wrong(key, "an integer below 2^63");
    return value.get<std::int64_t>();
  }

  const nlohmann::json& object_;
  std::string source_;
};

}  // namespace drystill::language
