#include "journal/environment.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "journal/text_file.h"

namespace drystill::journal {
namespace {

using Json = nlohmann::ordered_json;

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

int usable_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
}

double memory_gib() {
  const double bytes = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return static_cast<double>(static_cast<std::int64_t>(bytes / (1 << 30) * 10)) / 10;
}

Json describe(const RunFacts& facts) {
  utsname system = {};
  ::uname(&system);
  Json entry = {{"date", utc_now()}};
  if (!facts.git_revision.empty()) entry["git_revision"] = facts.git_revision;
  for (const auto& [name, version] : facts.versions) entry[name] = version;
  entry["compiler"] = __VERSION__;
  entry["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
  entry["processor"] = processor_name();
  entry["cores"] = usable_cores();
  if (facts.threads > 0) entry["threads"] = facts.threads;
  entry["memory_gib"] = memory_gib();
  return entry;
}

Json read(const std::filesystem::path& path) {
  auto json = Json::parse(read_text(path, 1 << 24), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("starts") || !json["starts"].is_array()) {
    throw InputError(path.string() + " is damaged: expected {\"schema\": 1, \"starts\": [...]}");
  }
  return json;
}

}  // namespace

void write_environment(const std::filesystem::path& path, const RunFacts& facts) {
  Json json = std::filesystem::exists(path) ? read(path) : Json{{"schema", 1}, {"starts", Json::array()}};
  json["starts"].push_back(describe(facts));
  io::write_file(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::vector<std::pair<std::string, std::string>> read_environment(const std::filesystem::path& path) {
  const Json json = read(path);
  std::vector<std::pair<std::string, std::string>> facts;
  if (json["starts"].empty() || !json["starts"].back().is_object()) return facts;
  for (const auto& [name, value] : json["starts"].back().items()) {
    facts.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return facts;
}

}  // namespace drystill::journal
