#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/fields.h"
#include "language/views/text_template.h"

namespace drystill::language {

// How one model sees an item. Two views of one completion are what context distillation, self-study, SDFT, SDPO and
// OPSD differ in (docs/methods/views.md).
struct ViewOptions {
  std::string system;
  std::string user;
  std::string assistant;
  bool chat = true;
  bool fallback_to_prompt = false;

  template <class Field>
  void visit(Field&& field) {
    field("system", system, "template of the system message; empty: the chat template's own");
    field("user", user,
          "template of the user message, e.g. '{prompt}'; empty, with 'system' and 'assistant' empty too: the item's "
          "tokens or prompt as they are");
    field("assistant", assistant, "template of what stands before the completion in the assistant's turn");
    field("chat", chat, "put the messages into the model's chat template; false: system, user and assistant in a row");
    field("fallback_to_prompt", fallback_to_prompt,
          "an item that lacks a text named here is seen as its bare prompt; false: it is left out");
  }
  std::vector<Problem> problems() const {
    std::vector<Problem> problems;
    for (const auto& [key, text] :
         {std::pair("system", &system), std::pair("user", &user), std::pair("assistant", &assistant)}) {
      const std::string problem = parse_template(*text).problem;
      if (!problem.empty()) problems.push_back({key, "is no template: " + problem});
    }
    return problems;
  }
  bool operator==(const ViewOptions&) const = default;
};

}  // namespace drystill::language
