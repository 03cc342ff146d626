#include "distiller/language/teacher_cache.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "io/checksum.h"
#include "io/quote.h"
#include "io/safetensors.h"

namespace drystill::distiller {
namespace {

namespace fs = std::filesystem;

constexpr char kFormat[] = "drystill teacher cache 1";
constexpr char kChecksum[] = "xxh3_128";
constexpr char kPrefix[] = "teacher_", kSuffix[] = ".safetensors";

std::string part_name(std::int64_t part) {
  std::string number = std::to_string(part);
  if (number.size() < 5) number.insert(0, 5 - number.size(), '0');
  return kPrefix + number + kSuffix;
}

std::vector<fs::path> parts_in(const fs::path& folder) {
  std::vector<fs::path> parts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) parts.push_back(entry.path());
  }
  if (error) throw InputError(io::quote(folder.string()) + ": cannot be read: " + error.message());
  std::ranges::sort(parts);
  return parts;
}

// Of all but what says so itself and what every safetensors file of PyTorch has.
std::string checksum_of(const std::map<std::string, torch::Tensor>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  io::Checksum sum;
  for (const auto& [key, value] : metadata) {
    if (key == kChecksum || key == "format") continue;
    sum.add(std::string(key).append("=").append(value).append("\n"));
  }
  for (const auto& [name, tensor] : tensors) {
    sum.add(name);
    const torch::Tensor packed = tensor.contiguous();
    sum.add(std::span(static_cast<const std::byte*>(packed.const_data_ptr()), packed.nbytes()));
  }
  return sum.text();
}

[[noreturn]] void fail(const fs::path& file, const std::string& why) {
  throw InputError(io::quote(file.string()) + ": " + why);
}

// The probability outside of k words.
double tail_of(const float* log_probabilities, std::int64_t k) {
  double inside = 0;
  for (std::int64_t i = 0; i < k; ++i) inside += std::exp(static_cast<double>(log_probabilities[i]));
  return std::max(0.0, 1 - inside);
}

std::int64_t number_of(const io::MappedSafetensors& file, const char* key, const fs::path& path) {
  const auto found = file.metadata().find(key);
  const std::string text = found == file.metadata().end() ? "" : found->second;
  const bool digits = !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) fail(path, std::string("its metadata has no number '") + key + "'");
  return std::stoll(text);
}

}  // namespace

TeacherCacheWriter::TeacherCacheWriter(fs::path folder, TeacherCacheFacts facts, std::int64_t part_entries)
    : folder_(std::move(folder)), facts_(std::move(facts)), part_entries_(part_entries) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw RunError(io::quote(folder_.string()) + ": cannot be made: " + error.message());
  if (const auto parts = parts_in(folder_); !parts.empty()) {
    throw InputError(io::quote(parts.front().string()) +
                     ": there is a teacher's file already, of a synthesis that ended or was killed; choose another "
                     "folder, or delete this one");
  }
}

TeacherCacheWriter::~TeacherCacheWriter() {
  if (finished_) return;
  std::error_code ignored;  // what cannot be removed is found by the next writer
  for (std::int64_t part = 0; part < part_; ++part) fs::remove(folder_ / part_name(part), ignored);
}

void TeacherCacheWriter::add(const Sequence& sequence) {
  if (top_k_of(sequence) != facts_.k) {
    throw InputError("[distiller.TeacherCacheWriter] expected " + std::to_string(facts_.k) + " words a token, got " +
                     std::to_string(top_k_of(sequence)));
  }
  const std::int64_t length = std::ssize(sequence.completion);
  entries_ += length * facts_.k;
  tokens_ += length;
  ++sequences_;
  for (std::int64_t t = 0; t < length; ++t) {
    tail_ += tail_of(sequence.top_log_probabilities.data() + t * facts_.k, facts_.k);
  }
  waiting_.push_back(sequence);
  waiting_.back().teacher_states = torch::Tensor();  // not written, and by far the largest part
  if (entries_ >= part_entries_) write_part(false);
}

void TeacherCacheWriter::finish() {
  if (sequences_ == 0) throw RunError("[distiller.TeacherCacheWriter] there is no sequence to write");
  write_part(true);
  finished_ = true;
}

double TeacherCacheWriter::mean_tail() const {
  return tokens_ == 0 ? 0 : tail_ / static_cast<double>(tokens_);
}

void TeacherCacheWriter::write_part(bool last) {
  std::vector<std::int64_t> lengths;
  std::vector<double> weights;
  std::vector<std::int32_t> tokens, ids;
  std::vector<float> log_probabilities, tails;
  for (const Sequence& sequence : waiting_) {
    for (const auto* list : {&sequence.teacher_prompt, &sequence.student_prompt, &sequence.completion}) {
      lengths.push_back(std::ssize(*list));
      for (const std::int64_t token : *list) tokens.push_back(static_cast<std::int32_t>(token));
    }
    weights.push_back(sequence.weight);
    ids.insert(ids.end(), sequence.top_ids.begin(), sequence.top_ids.end());
    const auto& numbers = sequence.top_log_probabilities;
    log_probabilities.insert(log_probabilities.end(), numbers.begin(), numbers.end());
    for (std::int64_t t = 0; t < std::ssize(sequence.completion); ++t) {
      tails.push_back(static_cast<float>(tail_of(numbers.data() + t * facts_.k, facts_.k)));
    }
  }
  const std::int64_t k = facts_.k;
  const std::map<std::string, torch::Tensor> tensors = {
      {"lengths", at::tensor(lengths, torch::kInt64).view({-1, 3})},
      {"weights", at::tensor(weights, torch::kFloat64)},
      {"tokens", at::tensor(tokens, torch::kInt32)},
      {"top_ids", at::tensor(ids, torch::kInt32).view({-1, k})},
      {"top_log_probabilities", at::tensor(log_probabilities, torch::kFloat32).view({-1, k})},
      {"tail", at::tensor(tails, torch::kFloat32)}};
  std::map<std::string, std::string> metadata = {{"kind", kFormat},
                                                 {"part", std::to_string(part_)},
                                                 {"words", std::to_string(facts_.words)},
                                                 {"vocabulary", facts_.vocabulary},
                                                 {"teacher", facts_.teacher}};
  if (last) metadata["parts"] = std::to_string(part_ + 1);
  metadata[kChecksum] = checksum_of(tensors, metadata);
  io::write_safetensors(folder_ / part_name(part_), tensors, metadata);
  waiting_.clear();
  entries_ = 0;
  ++part_;
}

TeacherCache::TeacherCache(const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const std::vector<fs::path> files = folder ? parts_in(path) : std::vector<fs::path>{path};
  if (files.empty()) fail(path, "no teacher_*.safetensors in this folder; `drystill synthesize --logits` writes them");
  for (std::size_t i = 0; i < files.size(); ++i) open_part(files[i], i, i + 1 == files.size());
}

void TeacherCache::open_part(const fs::path& path, std::size_t index, bool last) {
  const io::MappedSafetensors file(path);
  const auto text = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (text("kind") != kFormat) {
    fail(path, "is no teacher cache of this version; expected the kind '" + std::string(kFormat) + "'");
  }
  for (const char* name : {"lengths", "weights", "tokens", "top_ids", "top_log_probabilities", "tail"}) {
    if (!file.contains(name)) fail(path, std::string("is damaged: it has no tensor '") + name + "'");
  }
  const auto tensors = file.tensors();
  if (checksum_of(tensors, file.metadata()) != text(kChecksum)) {
    fail(path, "is damaged: its checksum is not the one it was written with; write it again");
  }
  const auto part = number_of(file, "part", path);
  const bool is_last = file.metadata().contains("parts");
  if (part != static_cast<std::int64_t>(index) || is_last != last) {
    fail(path, "a part is missing: this is number " + std::to_string(part) + (is_last ? ", the last" : "") +
                   "; name the folder with all of them");
  }

  const torch::Tensor &lengths = tensors.at("lengths"), &weights = tensors.at("weights");
  Part views{tensors.at("tokens"), tensors.at("top_ids"), tensors.at("top_log_probabilities")};
  const bool shapes = lengths.dim() == 2 && lengths.size(1) == 3 && lengths.scalar_type() == torch::kInt64 &&
                      weights.scalar_type() == torch::kFloat64 && weights.numel() == lengths.size(0) &&
                      views.tokens.scalar_type() == torch::kInt32 && views.tokens.dim() == 1 &&
                      views.top_ids.dim() == 2 && views.top_ids.scalar_type() == torch::kInt32 &&
                      views.top_log_probabilities.sizes() == views.top_ids.sizes() &&
                      views.top_log_probabilities.scalar_type() == torch::kFloat32;
  if (!shapes) fail(path, "is damaged: its tensors have shapes or types that a teacher cache has not");

  const TeacherCacheFacts facts{.words = number_of(file, "words", path),
                                .k = views.top_ids.size(1),
                                .vocabulary = text("vocabulary"),
                                .teacher = text("teacher")};
  if (index > 0 && facts != facts_) fail(path, "belongs to another teacher than the parts before it");
  facts_ = facts;

  const auto* length = lengths.const_data_ptr<std::int64_t>();
  std::int64_t token = 0, row = 0;
  for (std::int64_t i = 0; i < lengths.size(0); ++i, length += 3) {
    if (length[0] < 1 || length[1] < 1 || length[2] < 1 || std::max({length[0], length[1], length[2]}) > (1 << 30)) {
      fail(path, "is damaged: sequence " + std::to_string(i) + " has an empty prompt or completion");
    }
    places_.push_back({.part = index,
                       .teacher_prompt = length[0],
                       .student_prompt = length[1],
                       .completion = length[2],
                       .first_token = token,
                       .first_row = row,
                       .weight = weights.const_data_ptr<double>()[i]});
    token += length[0] + length[1] + length[2];
    row += length[2];
  }
  if (token != views.tokens.size(0) || row != views.top_ids.size(0) || facts.k < 1) {
    fail(path, "is damaged: its sequences have other lengths than its tensors");
  }
  parts_.push_back(std::move(views));
}

std::int64_t TeacherCache::prompt_length(std::int64_t index) const {
  const Place& place = places_.at(static_cast<std::size_t>(index));
  return std::max(place.teacher_prompt, place.student_prompt);
}

Sequence TeacherCache::at(std::int64_t index) const {
  const Place& place = places_.at(static_cast<std::size_t>(index));
  const Part& part = parts_[place.part];
  const auto* token = part.tokens.const_data_ptr<std::int32_t>() + place.first_token;
  Sequence sequence;
  sequence.weight = place.weight;
  const auto take = [&](std::vector<std::int64_t>& list, std::int64_t count) {
    list.assign(token, token + count);
    token += count;
  };
  take(sequence.teacher_prompt, place.teacher_prompt);
  take(sequence.student_prompt, place.student_prompt);
  take(sequence.completion, place.completion);
  const std::int64_t begin = place.first_row * facts_.k, count = place.completion * facts_.k;
  const auto* ids = part.top_ids.const_data_ptr<std::int32_t>() + begin;
  const auto* numbers = part.top_log_probabilities.const_data_ptr<float>() + begin;
  sequence.top_ids.assign(ids, ids + count);
  sequence.top_log_probabilities.assign(numbers, numbers + count);
  return sequence;
}

}  // namespace drystill::distiller
