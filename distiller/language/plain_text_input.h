#pragma once

#include <memory>

#include "distiller/loop.h"
#include "generator/rollouts/prompt_source.h"

namespace drystill::distiller {

// The batches of another source, each with windows of real text beside its sequences.
class PlainTextInput final : public InputSource {
 public:
  // `completions` outlives it. text: a source of TextPrompts.
  PlainTextInput(InputSource& completions, std::unique_ptr<generator::PromptSource> text, std::int64_t windows)
      : completions_(completions), text_(std::move(text)), windows_(windows) {}

  Batch next(const curriculum::StagePlan& plan) override;
  void observe(const Batch& batch, const StepReport& report) override;
  Metrics take_metrics() override;
  void save(StateWriter writer) const override;
  void load(const StateReader& reader) override;

 private:
  InputSource& completions_;
  std::unique_ptr<generator::PromptSource> text_;
  std::int64_t windows_;
  double newest_loss_ = 0;
};

}  // namespace drystill::distiller
