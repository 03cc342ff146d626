#include "io/checkpoint_manifest.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/checksum.h"
#include "io/mapped_file.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kManifest[] = "manifest.json";
constexpr std::int64_t kSchema = 1;
constexpr std::size_t kLargestManifest = 1 << 20;

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& why) {
  throw InputError("checkpoint file " + quote(file.string()) + " is damaged: " + why + "; nothing resumes from it");
}

Json read_manifest(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > kLargestManifest) fail(path, "it is larger than any manifest");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail(path, "it is not a JSON object");
  return json;
}

void check_file(const std::filesystem::path& path, const Json& facts, ManifestCheck check,
                const std::filesystem::path& manifest) {
  const auto entry = [&](const char* key) {
    if (!facts.is_object() || !facts.contains(key)) fail(manifest, std::string("it has no '") + key + "' for a file");
    return facts.at(key);
  };
  const Json size = entry("bytes");
  const Json digest = entry("xxh3_128");
  if (!size.is_number_unsigned() || !digest.is_string()) fail(manifest, "its facts of a file have wrong types");
  const MappedFile file(path);
  if (file.bytes().size() != size.get<std::uint64_t>()) {
    fail(path, "expected " + size.dump() + " bytes, got " + std::to_string(file.bytes().size()));
  }
  if (check == ManifestCheck::kContents && checksum(file.bytes()) != digest.get<std::string>()) {
    fail(path, "its checksum is not the one in the manifest");
  }
}

}  // namespace

void write_manifest(const std::filesystem::path& folder, std::int64_t step, const std::vector<std::string>& files) {
  Json json;
  json["schema"] = kSchema;
  json["step"] = step;
  for (const std::string& name : files) {
    const MappedFile file(folder / name);
    json["files"][name] = {{"bytes", file.bytes().size()}, {"xxh3_128", checksum(file.bytes())}};
  }
  write_file(folder / kManifest, json.dump(2) + "\n");
}

std::int64_t check_manifest(const std::filesystem::path& folder, ManifestCheck check) {
  const std::filesystem::path path = folder / kManifest;
  const Json json = read_manifest(path);
  const auto number = [&](const char* key) {
    if (!json.contains(key) || !json.at(key).is_number_integer())
      fail(path, std::string("it has no number '") + key + "'");
    return json.at(key).get<std::int64_t>();
  };
  if (const auto schema = number("schema"); schema != kSchema) {
    throw InputError("checkpoint " + quote(folder.string()) + " is of schema version " + std::to_string(schema) +
                     ", this program reads " + std::to_string(kSchema) + "; use the version that wrote it");
  }
  if (!json.contains("files") || !json.at("files").is_object() || json.at("files").empty()) {
    fail(path, "it lists no files");
  }
  for (const auto& [name, facts] : json.at("files").items()) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      fail(path, "it lists " + quote(name) + ", which is no file of this folder");
    }
    check_file(folder / name, facts, check, path);
  }
  return number("step");
}

}  // namespace drystill::io
