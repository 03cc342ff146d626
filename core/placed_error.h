#pragma once

#include <string>

#include "core/error.h"

namespace drystill {

// Runs `action`. An InputError from it gets `place` in front, which it cannot know: the key, or the line of a file,
// that led there.
template <class Action>
auto with_place(const std::string& place, Action&& action) {
  try {
    return action();
  } catch (const InputError& error) {
    throw InputError(place + ": " + error.what());
  }
}

}  // namespace drystill
