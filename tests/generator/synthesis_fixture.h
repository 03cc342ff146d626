#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "core/error.h"
#include "core/stop_request.h"
#include "generator/synthesizer.h"
#include "tests/support/tiny_image.h"
#include "vision/zoo.h"

// What the tests of synthesizers share.

namespace drystill::generator::testing {

using drystill::testing::tiny_image;

inline Models make_models(const std::string& teacher, const std::string& student, SeedStreams& seeds) {
  Models result;
  result.image = tiny_image();
  result.teacher = vision::make_classifier(teacher, result.image, seeds.cpu_stream("teacher"));
  result.teacher->freeze();
  result.student = vision::make_classifier(student, result.image, seeds.cpu_stream("student"));
  return result;
}

// A teacher in whose n-th forward pass, from 1, a signal arrives.
class SignalledTeacher final : public vision::Classifier {
 public:
  SignalledTeacher(std::shared_ptr<vision::Classifier> inner, int signal_at)
      : Classifier(inner->image()), inner_(register_module("inner", std::move(inner))), left_(signal_at) {}
  Output forward(const torch::Tensor& images) override {
    if (--left_ == 0) request_stop(SIGTERM);
    return inner_->forward(images);
  }
  void visit_batch_norms(const std::function<void(vision::BatchNorm2d&)>& visit) override {
    inner_->visit_batch_norms(visit);
  }

 private:
  std::shared_ptr<vision::Classifier> inner_;
  int left_;
};

// The batch of a synthesizer that a signal stopped, saved, made anew and loaded equals that of one that was left alone.
// make(seeds, signal_at): a synthesizer whose teacher is signalled then; 0: never.
template <class Make>
void expect_the_same_batch_after_a_signal(const Make& make, int signal_at) {
  SeedStreams seeds(7);
  auto whole = make(seeds, 0);
  const auto expected = whole->improve({8, 0.5});

  State state;
  {
    SeedStreams first(7);
    auto stopped = make(first, signal_at);
    EXPECT_THROW(stopped->improve({8, 0.5}), Interrupted);
    stopped->save(StateWriter(state, "synthesizer."));
    first.save(StateWriter(state, "seeds."));
  }
  request_stop(0);
  SeedStreams second(7);
  auto resumed = make(second, 0);
  resumed->load(StateReader(state, "synthesizer."));
  second.load(StateReader(state, "seeds."));
  const auto report = resumed->improve({8, 0.5});
  EXPECT_TRUE(at::equal(report.images, expected.images));
  EXPECT_TRUE(at::equal(report.loss, expected.loss));
}

inline double term(const SynthesisReport& report, const std::string& name) {
  for (const auto& [key, value] : report.terms) {
    if (key == name) return value.item<double>();
  }
  ADD_FAILURE() << "no term " << name;
  return 0;
}

}  // namespace drystill::generator::testing
