#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"
#include "generator/verifier_options.h"

namespace drystill::distiller {

// Questions that the student answers by its likeliest tokens; what the verifier accepts of its answers counts.
struct AnswerEvaluationOptions {
  std::string name;
  std::string path;
  generator::VerifierOptions verifier = generator::ExactVerifier{};
  std::int64_t max_new_tokens = 64;
  std::vector<std::string> stop_strings;
  std::int64_t limit = 0;

  template <class Field>
  void visit(Field&& field) {
    field("name", name, "of the metric: answers_<name>", required());
    field("path", path, "JSON lines, one object of texts each, seen through the student's view; never trained on",
          required());
    field("verifier", verifier, "how an answer is checked");
    field("max_new_tokens", max_new_tokens, "longest answer", at_least(1));
    field("stop_strings", stop_strings,
          "texts that end an answer and are no part of it, besides the model's end tokens");
    field("limit", limit, "the first so many records; 0: all", at_least(0));
  }
  std::vector<Problem> problems() const {
    if (std::holds_alternative<generator::NoVerifier>(verifier)) {
      return {{"verifier", "must check something: 'none' accepts nothing and rejects nothing"}};
    }
    return {};
  }
  bool operator==(const AnswerEvaluationOptions&) const = default;
};

// Real held-out text, for reports only.
struct LanguageEvaluationOptions {
  std::vector<std::string> texts;
  std::int64_t window = 256;
  std::int64_t windows = 32;
  std::vector<AnswerEvaluationOptions> answers;

  template <class Field>
  void visit(Field&& field) {
    field("texts", texts, "text files, or folders of them; training never opens them");
    field("window", window, "tokens of a window", at_least(2));
    field("windows", windows, "windows, evenly spaced over all the text", at_least(1));
    field("answers", answers, "sets of questions with known answers");
  }
  std::vector<Problem> problems() const {
    if (texts.empty() && answers.empty()) return {{"texts", "is missing; give texts, or answers, or both"}};
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto same = [&](const AnswerEvaluationOptions& other) { return other.name == answers[i].name; };
      if (std::any_of(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(i), same)) {
        return {{"answers", "has two sets named '" + answers[i].name + "'"}};
      }
    }
    return {};
  }
  bool operator==(const LanguageEvaluationOptions&) const = default;
};

}  // namespace drystill::distiller
