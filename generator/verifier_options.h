#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"

namespace drystill::generator {

// How it is decided whether a completion is right. What is checked is its answer: the text without
// <think>...</think>. `reference` names the text of the item that holds the right answer.

// Nothing is checked.
struct NoVerifier {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "none";

  template <class Field>
  void visit(Field&&) {}
  bool operator==(const NoVerifier&) const = default;
};

// The answer is the reference, white space at both ends aside.
struct ExactVerifier {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "exact";
  std::string reference = "reference";
  bool ignore_case = false;

  template <class Field>
  void visit(Field&& field) {
    field("reference", reference, "which text of the item is the right answer");
    field("ignore_case", ignore_case, "upper and lower case are the same (Unicode's full case folding)");
  }
  bool operator==(const ExactVerifier&) const = default;
};

// A pattern is found in the answer ("Final Answer: (.*)"); its first group may have to be the reference.
struct RegexVerifier {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "regex";
  std::string pattern;
  std::string reference;
  std::int64_t step_limit = 1000;

  template <class Field>
  void visit(Field&& field) {
    field("pattern", pattern, "ICU regular expression, searched for anywhere in the answer", required());
    field("reference", reference,
          "text of the item that the pattern's first group must be, white space at both ends aside; empty: no "
          "comparison");
    field("step_limit", step_limit, "work of one search, in steps of about a millisecond; longer ones are rejected",
          between(1, 1e6));
  }
  bool operator==(const RegexVerifier&) const = default;
};

// The last number of the answer, of its last \boxed{...} where it has one, equals the last number of the reference.
struct NumberVerifier {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "number";
  std::string reference = "reference";
  double tolerance = 1e-6;

  template <class Field>
  void visit(Field&& field) {
    field("reference", reference, "which text of the item holds the right number");
    field("tolerance", tolerance, "largest difference, in units of the reference where that is above 1", at_least(0));
  }
  bool operator==(const NumberVerifier&) const = default;
};

// The last letter of the answer that stands alone ("B", "(B)", "Answer: B.") is that of the reference.
struct ChoiceVerifier {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "choice";
  std::string reference = "reference";
  std::string letters = "ABCD";

  template <class Field>
  void visit(Field&& field) {
    field("reference", reference, "which text of the item holds the right letter");
    field("letters", letters, "the capital letters to choose from");
  }
  std::vector<Problem> problems() const {
    if (letters.empty() || letters.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) {
      return {{"letters", "must be capital letters A to Z, at least one"}};
    }
    return {};
  }
  bool operator==(const ChoiceVerifier&) const = default;
};

// A program of the user's says so: it reads the answer from its standard input and exits with status 0. Every text of
// the item is an environment variable DRYSTILL_<NAME>. No shell is involved.
struct CommandVerifier {
  static constexpr std::string_view kKey = "method";
  static constexpr std::string_view kName = "command";
  std::vector<std::string> command;
  double seconds = 10;
  bool allow = false;

  template <class Field>
  void visit(Field&& field) {
    field("command", command, "program and arguments, one entry each", required());
    field("seconds", seconds, "longest run; then it and all processes of its group are killed, and the text rejected",
          {.minimum = 0, .maximum = 86400, .exclusive_minimum = true, .choices = {}});
    field("allow", allow, "must be true: the program runs with the rights of this one, on text that a model wrote");
  }
  std::vector<Problem> problems() const {
    std::vector<Problem> found;
    if (command.empty() || command.front().empty()) found.push_back({"command", "must name a program"});
    if (!allow) {
      found.push_back({"allow",
                       "must be true: the command runs with your rights on text that a model wrote; write `allow: "
                       "true` where you trust it"});
    }
    return found;
  }
  bool operator==(const CommandVerifier&) const = default;
};

using VerifierOptions =
    std::variant<NoVerifier, ExactVerifier, RegexVerifier, NumberVerifier, ChoiceVerifier, CommandVerifier>;

}  // namespace drystill::generator
