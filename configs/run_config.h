#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "configs/reader.h"
#include "distiller/options.h"

// The configuration of one run: a YAML file as distiller::RunConfig, and what `drystill config` prints.

namespace drystill::configs {

struct LoadedConfig {
  distiller::RunConfig config;
  Origins origins;  // of every value that a file or `--set` gave
};

// `assignments` are the arguments of `--set`. Throws one ConfigError that holds every error, a line each; so this is
// `config check` too.
LoadedConfig load_run_config(const std::filesystem::path& file, const std::vector<std::string>& assignments = {});

std::string task_name(const distiller::RunConfig& config);  // "distill_classifier"

// Every value as YAML, ready to run again: the `config.yaml` of a run folder.
std::string resolved_yaml(const distiller::RunConfig& config);

enum class ShowFormat { kYaml, kJson };

struct ShowOptions {
  ShowFormat format = ShowFormat::kYaml;
  bool minimal = false;  // YAML: only what differs from the defaults
  bool origins = false;  // YAML: a comment behind every value says where it was written
};

// `config show`.
std::string show_config(const LoadedConfig& loaded, const ShowOptions& options);

std::string run_config_schema();     // `config schema`: JSON Schema, draft 2020-12
std::string run_config_reference();  // `config schema --markdown`: tables of every key

}  // namespace drystill::configs
