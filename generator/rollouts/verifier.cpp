#include "generator/rollouts/verifier.h"

#include <c10/util/StringUtil.h>
#include <unicode/unistr.h>

#include <cmath>
#include <type_traits>

#include "core/error.h"
#include "generator/rollouts/answer_text.h"
#include "generator/rollouts/run_command.h"
#include "generator/rollouts/text_pattern.h"

namespace drystill::generator {
namespace {

Verdict compared(bool equal) {
  return {equal, equal ? "match" : "differs from the reference"};
}

const std::string* find_reference(const language::Item& item, const std::string& name) {
  const auto field = item.fields.find(name);
  return field == item.fields.end() ? nullptr : &field->second;
}

// What every check of text begins with: the answer, and the reference that it needs.
class ReferenceVerifier : public Verifier {
 public:
  explicit ReferenceVerifier(std::string reference) : reference_(std::move(reference)) {}
  Verdict check(const std::string& completion, const language::Item& item) final {
    const std::string* reference = find_reference(item, reference_);
    if (reference == nullptr) return {false, "the item has no '" + reference_ + "'"};
    return compare(without_thinking(completion), *reference);
  }

 private:
  virtual Verdict compare(const std::string& answer, const std::string& reference) = 0;
  std::string reference_;
};

class Exact final : public ReferenceVerifier {
 public:
  explicit Exact(const ExactVerifier& options)
      : ReferenceVerifier(options.reference), ignore_case_(options.ignore_case) {}

 private:
  Verdict compare(const std::string& answer, const std::string& reference) override {
    const std::string_view a = trimmed(answer), b = trimmed(reference);
    return compared(ignore_case_ ? folded(a) == folded(b) : a == b);
  }
  static icu::UnicodeString folded(std::string_view text) {
    return icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())}).foldCase();
  }
  bool ignore_case_;
};

class Regex final : public Verifier {
 public:
  explicit Regex(const RegexVerifier& options)
      : options_(options), pattern_("verifier", options.pattern, options.step_limit) {
    if (!options.reference.empty() && !pattern_.has_group()) {
      throw ConfigError("verifier: pattern '" + options.pattern + "' has no group to compare with the text '" +
                        options.reference + "'; put (...) around the answer");
    }
  }

  Verdict check(const std::string& completion, const language::Item& item) override {
    const bool compares = !options_.reference.empty();
    const std::string* reference = compares ? find_reference(item, options_.reference) : nullptr;
    if (compares && reference == nullptr) return {false, "the item has no '" + options_.reference + "'"};

    const TextPattern::Match match = pattern_.find(without_thinking(completion));
    if (match.outcome == TextPattern::Outcome::kTimeLimit) return {false, "time limit"};
    if (match.outcome == TextPattern::Outcome::kNotFound) return {false, "no match"};
    return compared(!compares || trimmed(match.text) == trimmed(*reference));
  }

 private:
  RegexVerifier options_;
  TextPattern pattern_;
};

class Number final : public ReferenceVerifier {
 public:
  explicit Number(const NumberVerifier& options)
      : ReferenceVerifier(options.reference), tolerance_(options.tolerance) {}

 private:
  Verdict compare(const std::string& answer, const std::string& reference) override {
    const auto expected = last_number(reference), got = last_number(answer);
    if (!expected) return {false, "the reference has no number"};
    if (!got) return {false, "no number"};
    return compared(std::abs(*got - *expected) <= tolerance_ * std::max(1.0, std::abs(*expected)));
  }
  double tolerance_;
};

class Choice final : public ReferenceVerifier {
 public:
  explicit Choice(const ChoiceVerifier& options) : ReferenceVerifier(options.reference), letters_(options.letters) {}

 private:
  Verdict compare(const std::string& answer, const std::string& reference) override {
    const auto expected = last_choice(reference, letters_), got = last_choice(answer, letters_);
    if (!expected) return {false, "the reference has no letter of " + letters_};
    if (!got) return {false, "no letter"};
    return compared(*got == *expected);
  }
  std::string letters_;
};

// "unit tests" -> DRYSTILL_UNIT_TESTS. The prefix keeps an item from naming PATH or LD_PRELOAD.
std::string variable_name(const std::string& field) {
  std::string name = "DRYSTILL_";
  for (const char c : field) {
    if (c >= 'a' && c <= 'z') {
      name += static_cast<char>(c - 'a' + 'A');
    } else {
      name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    }
  }
  return name;
}

class Command final : public Verifier {
 public:
  explicit Command(CommandVerifier options) : options_(std::move(options)) {}

  Verdict check(const std::string& completion, const language::Item& item) override {
    std::map<std::string, std::string> environment;
    for (const auto& [name, text] : item.fields) {
      std::string value = text;
      std::erase(value, '\0');  // which would end it
      environment[variable_name(name)] = std::move(value);
    }
    const CommandEnd end = run_command(options_.command, environment, without_thinking(completion), options_.seconds);
    if (end != CommandEnd::kTimeLimit) time_limits_in_a_row_ = 0;
    switch (end) {
      case CommandEnd::kSuccess:
        return {true, "accepted by the command"};
      case CommandEnd::kFailure:
        return {false, "rejected by the command"};
      case CommandEnd::kTimeLimit:
        give_up_on_hanging();
        return {false, "time limit"};
      case CommandEnd::kTooLarge:
        return {false, "the item is too large for environment variables"};
    }
    throw RunError("[generator.command] an unknown end");
  }

 private:
  void give_up_on_hanging() {
    constexpr int kMost = 16;
    if (++time_limits_in_a_row_ < kMost) return;
    throw RunError(c10::str("[generator.command] the verifier's command '", options_.command.front(),
                            "' passed its limit of ", options_.seconds, " s ", kMost,
                            " times in a row; does it wait for something? Run it by hand, or raise 'seconds'"));
  }

  CommandVerifier options_;
  int time_limits_in_a_row_ = 0;
};

template <class Options>
void check_problems(const Options& options) {
  for (const Problem& problem : options.problems()) {
    throw ConfigError("verifier " + std::string(Options::kName) + ": '" + problem.field + "' " + problem.message);
  }
}

std::unique_ptr<Verifier> make(const NoVerifier&) {
  return nullptr;
}
std::unique_ptr<Verifier> make(const ExactVerifier& options) {
  return std::make_unique<Exact>(options);
}
std::unique_ptr<Verifier> make(const RegexVerifier& options) {
  return std::make_unique<Regex>(options);
}
std::unique_ptr<Verifier> make(const NumberVerifier& options) {
  return std::make_unique<Number>(options);
}
std::unique_ptr<Verifier> make(const ChoiceVerifier& options) {
  check_problems(options);
  return std::make_unique<Choice>(options);
}
std::unique_ptr<Verifier> make(const CommandVerifier& options) {
  check_problems(options);
  return std::make_unique<Command>(options);
}

}  // namespace

std::unique_ptr<Verifier> make_verifier(const VerifierOptions& options) {
  return std::visit([](const auto& chosen) { return make(chosen); }, options);
}

}  // namespace drystill::generator
