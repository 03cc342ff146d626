#include "language/views/view.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "language/tokenizer/load_tokenizer.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_language_model.h"

namespace drystill::language {
namespace {

using Ids = std::vector<std::int64_t>;

class ViewTest : public ::testing::Test {
 protected:
  static PromptEncoder make() {
    const drystill::testing::TemporaryFolder folder;
    drystill::testing::write_tiny_tokenizer(folder.path());
    return PromptEncoder(load_tokenizer(folder.path()));
  }
  std::optional<Ids> prompt(const ViewOptions& options, const Item& item) const {
    return View(options, encoder_).prompt(item);
  }
  const PromptEncoder encoder_ = make();
  const Item item_{.fields = {{"prompt", "1+1"}, {"reference", "2"}}, .tokens = {}};
};

TEST_F(ViewTest, WithoutTemplatesIsThePromptOrTheTokens) {
  EXPECT_EQ(prompt({}, item_), encoder_.chat("", "1+1", ""));
  EXPECT_EQ(prompt({.chat = false}, item_), encoder_.document("1+1"));
  EXPECT_EQ(prompt({}, {.fields = {{"prompt", "1+1"}}, .tokens = {7, 8}}), (Ids{7, 8}));
  EXPECT_EQ(prompt({}, {}), std::nullopt);
}

TEST_F(ViewTest, PutsItsTemplatesIntoTheChat) {
  EXPECT_EQ(prompt({.system = "Hint: {reference}", .user = "{prompt}?", .assistant = "It is"}, item_),
            encoder_.chat("Hint: 2", "1+1?", "It is"));
  EXPECT_EQ(prompt({.system = "{reference}", .user = "{prompt}", .chat = false}, item_), encoder_.document("21+1"));
}

TEST_F(ViewTest, LeavesOutItemsThatLackAText) {
  const ViewOptions with_sibling{.user = "{prompt}{sibling}"};
  EXPECT_EQ(prompt(with_sibling, item_), std::nullopt);
  ViewOptions falls_back = with_sibling;
  falls_back.fallback_to_prompt = true;
  EXPECT_EQ(prompt(falls_back, item_), encoder_.chat("", "1+1", ""));
  EXPECT_EQ(prompt(falls_back, {.fields = {{"prompt", "a"}, {"sibling", "b"}}, .tokens = {}}),
            encoder_.chat("", "ab", ""));
}

// No token begins a text here, so an empty one would leave nothing to predict the completion from.
TEST_F(ViewTest, LeavesOutEmptyPrompts) {
  const drystill::testing::TemporaryFolder folder;
  drystill::testing::write_tiny_tokenizer(folder.path());
  std::ofstream(folder / "tokenizer_config.json") << "{}";
  const PromptEncoder encoder(load_tokenizer(folder.path()));
  const auto prompt_of = [&](const ViewOptions& options, const std::string& text) {
    return View(options, encoder).prompt({.fields = {{"prompt", text}, {"name", ""}}, .tokens = {}});
  };
  EXPECT_EQ(prompt_of({.chat = false}, ""), std::nullopt);
  EXPECT_EQ(prompt_of({.user = "{prompt}{name}", .chat = false}, ""), std::nullopt);
  EXPECT_EQ(prompt_of({.user = "{prompt}{name}", .chat = false}, "a"), Ids{'a'});
  EXPECT_EQ(prompt_of({.user = "{name}", .chat = false, .fallback_to_prompt = true}, "a"), Ids{'a'});
  EXPECT_EQ(prompt({.user = "{prompt}", .chat = false}, {.fields = {{"prompt", ""}}, .tokens = {}}), Ids{256});
}

TEST_F(ViewTest, RefusesTemplatesThatCannotBeRead) {
  EXPECT_THROW(View({.user = "{prompt"}, encoder_), ConfigError);
}

}  // namespace
}  // namespace drystill::language
