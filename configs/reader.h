#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "configs/diagnostics.h"
#include "configs/node.h"
#include "configs/option_type.h"

namespace drystill::configs {

// Where every value that some file or `--set` gave was written, by its path ("student.stages[0].epochs").
using Origins = std::map<std::string, Origin>;

// Reads a tree into an option struct (or a variant of them). All errors are collected: unknown keys, wrong types,
// values out of range, unknown names, missing keys, and the struct's own `problems()`. What is not in the tree keeps
// its value.
void read_options(const Node& root, OptionRef options, Diagnostics& diagnostics, Origins* origins = nullptr);

// A file with its bases and `--set` assignments as options; throws one ConfigError with every error, a line each.
void load_options(const std::filesystem::path& file, const std::vector<std::string>& assignments, OptionRef options,
                  Origins* origins = nullptr);

// The same from text in memory; `source` stands for the file name in messages.
void load_options_text(std::string_view text, const std::string& source, const std::vector<std::string>& assignments,
                       OptionRef options, Origins* origins = nullptr);

template <class T>
T load_options(const std::filesystem::path& file, const std::vector<std::string>& assignments = {},
               Origins* origins = nullptr) {
  T options;
  load_options(file, assignments, option_ref(options), origins);
  return options;
}

}  // namespace drystill::configs
