#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drystill::journal {

// A resolved configuration as dotted keys and the text of their values, in file order: {"student.model", "resnet8"}.
// For showing and comparing only: it knows the block style in which a run folder's config.yaml is written (nested
// mappings and lists by indentation), not all of YAML. What it does not know stays as text.
std::vector<std::pair<std::string, std::string>> flatten_config(std::string_view yaml);

// A key whose value is not the same in all configurations; "" stands where a configuration lacks the key.
struct ConfigDifference {
  std::string key;
  std::vector<std::string> values;  // one a configuration
};
std::vector<ConfigDifference> config_differences(const std::vector<std::string>& configs);

}  // namespace drystill::journal
