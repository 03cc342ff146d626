#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace drystill::apps {

// The lines of a text file, or of standard input where the path is `-`. Throws InputError where the path is no readable
// file, and where reading fails half-way.
class TextLines {
 public:
  explicit TextLines(std::string path);

  bool next(std::string& line);
  std::string place() const;  // "file:line" of the line that `next` gave

 private:
  std::string path_;
  std::ifstream file_;
  std::istream* input_;
  std::int64_t number_ = 0;
};

}  // namespace drystill::apps
