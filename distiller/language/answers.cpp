#include "distiller/language/answers.h"

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/rollouts/answer_text.h"
#include "language/datasets/records.h"

namespace drystill::distiller {

AnswerEvaluator::AnswerEvaluator(const AnswerEvaluationOptions& options, const std::vector<std::string>& texts,
                                 const language::View& view, const language::PromptEncoder& encoder, std::int64_t room)
    : options_(options), encoder_(encoder), verifier_(generator::make_verifier(options.verifier)) {
  for (const std::string& text : texts) {
    for (language::Record& record : language::parse_records(text, options.path)) {
      if (options.limit > 0 && std::ssize(items_) == options.limit) break;
      language::Item item{.fields = std::move(record.fields), .tokens = {}, .origin = std::move(record.origin)};
      auto prompt = view.prompt(item);
      if (!prompt) {
        throw InputError(item.origin +
                         ": the record lacks a text that the student's view names, or its prompt is empty");
      }
      if (std::ssize(*prompt) + options.max_new_tokens > room) {
        throw InputError(item.origin + ": the prompt has " + std::to_string(prompt->size()) +
                         " tokens; with max_new_tokens " + std::to_string(options.max_new_tokens) + " of answers '" +
                         options.name + "' it passes the student's " + std::to_string(room) +
                         " positions; shorten one of them");
      }
      items_.push_back(std::move(item));
      prompts_.push_back(std::move(*prompt));
    }
  }
  if (items_.empty()) throw InputError(options.path + ": no record; expected one JSON object of texts a line");
}

double AnswerEvaluator::accepted_share(generator::Actor& writer) const {
  const auto written = writer.write(
      prompts_, {.max_new_tokens = options_.max_new_tokens, .temperature = 0, .stop_strings = options_.stop_strings});
  std::int64_t accepted = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (const int signal = stop_requested()) throw Interrupted(signal);
    const std::string text = encoder_.decode(written[i].tokens);
    const std::string answer(generator::before_stop(text, options_.stop_strings));
    accepted += verifier_->check(answer, items_[i]).accepted ? 1 : 0;
  }
  return static_cast<double>(accepted) / static_cast<double>(items_.size());
}

}  // namespace drystill::distiller
