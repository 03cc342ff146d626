#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "core/options.h"

// One option struct with a member of every kind a room may use.

namespace drystill::configs::testing {

enum class Pacing { kNone, kHard, kSoft };
constexpr auto enum_names(Pacing) {
  return std::to_array<std::string_view>({"none", "hard", "soft"});
}

struct Ramp {
  double begin = 0.25;
  double end = 0.75;

  template <class Field>
  void visit(Field&& field) {
    field("begin", begin, "where it starts", between(0, 1));
    field("end", end, "where it ends", between(0, 1));
  }
  std::vector<Problem> problems() const {
    if (begin > end) return {{"begin", "must not be above 'end'"}};
    return {};
  }
  bool operator==(const Ramp&) const = default;
};

struct Stage {
  std::string name;
  std::int64_t epochs = 1;
  OptimizerOptions optimizer = AdamOptions{};

  template <class Field>
  void visit(Field&& field) {
    field("name", name, "what it is called", required());
    field("epochs", epochs, "how long it runs", at_least(1));
    field("optimizer", optimizer, "how it learns");
  }
  bool operator==(const Stage&) const = default;
};

struct Sample {
  bool verbose = false;
  std::int64_t seed = 0;
  double rate = 0.1;
  double cap = 1e9;
  std::string name = "run";
  std::string device = "auto";
  Pacing pacing = Pacing::kSoft;
  Ramp ramp;
  OptimizerOptions optimizer = AdamOptions{};
  std::vector<double> milestones = {0.5, 0.75};
  std::vector<std::string> tags;
  std::vector<Stage> stages;
  std::optional<std::int64_t> limit;
  std::optional<Ramp> second_ramp;
  std::optional<OptimizerOptions> fine_tuning;

  template <class Field>
  void visit(Field&& field) {
    field("verbose", verbose, "say more");
    field("seed", seed, "of every random stream", at_least(0));
    field("rate", rate, "learning rate", positive());
    field("cap", cap, "never exceeded");
    field("name", name, "of the run");
    field("device", device, "where it runs", one_of({"auto", "cpu", "cuda"}));
    field("pacing", pacing, "weight of a loss | a bar");
    field("ramp", ramp, "of the weight");
    field("optimizer", optimizer, "how it learns");
    field("milestones", milestones, "shares of the run", between(0, 1));
    field("tags", tags, "free words");
    field("stages", stages, "one after another");
    field("limit", limit, "at most this many", at_least(1));
    field("second_ramp", second_ramp, "another ramp");
    field("fine_tuning", fine_tuning, "afterwards");
  }
  bool operator==(const Sample&) const = default;
};

}  // namespace drystill::configs::testing
