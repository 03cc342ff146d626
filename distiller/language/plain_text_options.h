#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"

namespace drystill::distiller {

// MiniLLM's second loss (arXiv 2306.08543, section 2.2; LMOps minillm/minillm/losses.py, `pt_loss`): windows of plain
// text beside the completions of every step, so that the student does not forget the rest of its language. Real data.
struct PlainTextOptions {
  std::vector<std::string> paths;
  double weight = 1;
  double teacher_share = 0.5;
  std::int64_t batch = 0;
  std::int64_t length = 0;

  template <class Field>
  void visit(Field&& field) {
    field("paths", paths, "text files, or folders of them", required());
    field("weight", weight, "of this loss (--lm-coef)", positive());
    field("teacher_share", teacher_share,
          "share of KL(teacher || student) in it, the rest is cross-entropy of the text (--kd-ratio)", between(0, 1));
    field("batch", batch, "windows a step; 0: as many as completions", at_least(0));
    field("length", length, "tokens of a window; 0: `longest`", at_least(0));
  }
  std::vector<Problem> problems() const {
    if (length == 1) return {{"length", "must be 2 or more: a window's first token has no loss"}};
    return {};
  }
  bool operator==(const PlainTextOptions&) const = default;
};

}  // namespace drystill::distiller
