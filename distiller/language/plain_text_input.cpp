#include "distiller/language/plain_text_input.h"

namespace drystill::distiller {

// The completions first: a signal may end their writing, and the text would then have moved on.
Batch PlainTextInput::next(const curriculum::StagePlan& plan) {
  Batch batch = completions_.next(plan);
  for (generator::Draft& draft : text_->next(windows_)) {
    batch.plain_text.push_back({.teacher_prompt = draft.item.tokens,
                                .student_prompt = draft.item.tokens,
                                .completion = std::move(draft.completion)});
  }
  return batch;
}

void PlainTextInput::observe(const Batch& batch, const StepReport& report) {
  completions_.observe(batch, report);
  newest_loss_ = report.plain_text_loss.item<double>();
}

Metrics PlainTextInput::take_metrics() {
  Metrics metrics = completions_.take_metrics();
  metrics.emplace_back("plain_text_loss", newest_loss_);
  return metrics;
}

void PlainTextInput::save(StateWriter writer) const {
  completions_.save(writer.part("completions"));
  text_->save(writer.part("text"));
}

void PlainTextInput::load(const StateReader& reader) {
  completions_.load(reader.part("completions"));
  text_->load(reader.part("text"));
}

}  // namespace drystill::distiller
