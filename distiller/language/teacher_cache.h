#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "distiller/language/sequence.h"
#include "io/mapped_safetensors.h"

// What a teacher said of completions, on disk: sequences with its k likeliest words at every token. A folder of parts
// `teacher_00000.safetensors`, ..., each whole in itself:
//
//   lengths                int64   [N, 3]   tokens of the teacher's prompt, the student's, the completion
//   weights                float64 [N]      of the sequences' loss
//   tokens                 int32   [T]      all of those tokens, sequence by sequence
//   top_ids                int32   [M, k]   words, the likeliest first, at each of the M tokens of completions
//   top_log_probabilities  float32 [M, k]   under the teacher's full softmax at temperature 1
//   tail                   float32 [M]      the probability of all other words
//
// and as metadata: kind, part, parts (of the last one), words, vocabulary (a fingerprint), teacher, and xxh3_128 of all
// that.

namespace drystill::distiller {

struct TeacherCacheFacts {
  std::int64_t words = 0;  // of the softmax
  std::int64_t k = 0;
  std::string vocabulary;  // language::vocabulary_fingerprint
  std::string teacher;     // which model it was, for people

  bool operator==(const TeacherCacheFacts&) const = default;
};

class TeacherCacheWriter {
 public:
  // `folder` is made where it is missing; InputError where there are parts in it. part_entries: about how many words
  // with their numbers a part holds; all of them are in memory until it is written.
  TeacherCacheWriter(std::filesystem::path folder, TeacherCacheFacts facts, std::int64_t part_entries = 1 << 25);
  ~TeacherCacheWriter();
  TeacherCacheWriter(const TeacherCacheWriter&) = delete;
  TeacherCacheWriter& operator=(const TeacherCacheWriter&) = delete;

  void add(const Sequence& sequence);  // with k words a token
  void finish();                       // without it the parts are removed again

  std::int64_t sequences() const { return sequences_; }
  std::int64_t tokens() const { return tokens_; }
  double mean_tail() const;  // probability outside the kept words

 private:
  void write_part(bool last);

  std::filesystem::path folder_;
  TeacherCacheFacts facts_;
  std::int64_t part_entries_;
  std::vector<Sequence> waiting_;
  std::int64_t entries_ = 0, part_ = 0, sequences_ = 0, tokens_ = 0;
  double tail_ = 0;
  bool finished_ = false;
};

class TeacherCache {
 public:
  // A folder of parts, or the one part there is. Memory-mapped; opening it reads every byte once, for the checksum.
  // InputError, naming the file, where one is missing, damaged or of another kind, and where parts do not belong
  // together.
  explicit TeacherCache(const std::filesystem::path& path);

  const TeacherCacheFacts& facts() const { return facts_; }
  std::int64_t size() const { return static_cast<std::int64_t>(places_.size()); }
  Sequence at(std::int64_t index) const;
  std::int64_t prompt_length(std::int64_t index) const;  // the longer one's

 private:
  struct Part {
    torch::Tensor tokens, top_ids, top_log_probabilities;  // views of the mapping
  };
  struct Place {
    std::size_t part;
    std::int64_t teacher_prompt, student_prompt, completion;  // lengths
    std::int64_t first_token, first_row;
    double weight;
  };
  void open_part(const std::filesystem::path& path, std::size_t index, bool last);

  TeacherCacheFacts facts_;
  std::vector<Part> parts_;
  std::vector<Place> places_;
};

}  // namespace drystill::distiller
