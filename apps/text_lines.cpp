#include "apps/text_lines.h"

#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "io/quote.h"

namespace drystill::apps {

TextLines::TextLines(std::string path) : path_(std::move(path)), input_(&file_) {
  if (path_ == "-") {
    input_ = &std::cin;
    return;
  }
  file_.open(path_, std::ios::binary);
  if (!file_ || std::filesystem::is_directory(path_)) {
    throw InputError("cannot read " + io::quote(path_) + "; expected a text file, or - for standard input");
  }
}

bool TextLines::next(std::string& line) {
  if (std::getline(*input_, line)) {
    ++number_;
    return true;
  }
  if (input_->bad()) throw InputError("cannot read " + io::quote(path_) + " behind line " + std::to_string(number_));
  return false;
}

std::string TextLines::place() const {
  return (path_ == "-" ? "standard input" : path_) + ":" + std::to_string(number_);
}

}  // namespace drystill::apps
