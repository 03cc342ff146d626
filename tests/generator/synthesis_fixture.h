#pragma once

#include <gtest/gtest.h>

#include <string>

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

inline double term(const SynthesisReport& report, const std::string& name) {
  for (const auto& [key, value] : report.terms) {
    if (key == name) return value.item<double>();
  }
  ADD_FAILURE() << "no term " << name;
  return 0;
}

}  // namespace drystill::generator::testing
