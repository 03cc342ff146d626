#pragma once

#include <string>
#include <vector>

namespace drystill::language {

// The content of every file, in the order of `paths`; a folder stands for the regular files below it, sorted by name.
// What is no UTF-8 text is left as it is. Throws InputError for what is missing, unreadable or too large (1 GiB in
// all).
std::vector<std::string> read_text_files(const std::vector<std::string>& paths);

}  // namespace drystill::language
