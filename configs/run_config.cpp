#include "configs/run_config.h"

#include "configs/schema.h"
#include "configs/writer.h"

namespace drystill::configs {

LoadedConfig load_run_config(const std::filesystem::path& file, const std::vector<std::string>& assignments) {
  LoadedConfig loaded;
  load_options(file, assignments, option_ref(loaded.config), &loaded.origins);
  return loaded;
}

std::string task_name(const distiller::RunConfig& config) {
  const OptionRef ref = option_view(config);
  return ref.type->names()[ref.type->index(ref.data)];
}

std::string resolved_yaml(const distiller::RunConfig& config) {
  return to_yaml(option_view(config));
}

std::string show_config(const LoadedConfig& loaded, const ShowOptions& options) {
  const OptionRef ref = option_view(loaded.config);
  if (options.format == ShowFormat::kJson) return to_json(ref) + "\n";
  return to_yaml(ref, {.minimal = options.minimal, .origins = options.origins ? &loaded.origins : nullptr});
}

std::string run_config_schema() {
  const distiller::RunConfig defaults;
  return json_schema(option_view(defaults), "Drystill run configuration") + "\n";
}

std::string run_config_reference() {
  const distiller::RunConfig defaults;
  return markdown_reference(option_view(defaults));
}

}  // namespace drystill::configs
