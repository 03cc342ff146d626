#include "language/tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "language/tokenizer/load_tokenizer.h"
#include "tests/language/golden_tokenizers.h"
#include "tests/support/temporary_folder.h"

namespace drystill::language {
namespace {

using drystill::testing::TemporaryFolder;
using Json = nlohmann::json;
using testing::golden_families;
using testing::write_text;

Json golden_json(const std::string& family) {
  return Json::parse(golden_families().at(family).tokenizer_json);
}

// The message of the InputError that reading gives: one line. "" where the text is accepted.
std::string refusal(const std::string& text, const std::string& config = "") {
  const TemporaryFolder folder;
  write_text(folder / "tokenizer.json", text);
  if (!config.empty()) write_text(folder / "tokenizer_config.json", config);
  try {
    read_tokenizer_json(folder / "tokenizer.json");
    return "";
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
}

void expect_json_refused(const std::string& family, const std::function<void(Json&)>& change,
                         const std::string& words) {
  Json json = golden_json(family);
  change(json);
  const std::string message = refusal(json.dump());
  EXPECT_NE(message.find(words), std::string::npos) << "expected: " << words << ", got: " << message;
}

TEST(TokenizerJson, RefusesWhatIsNoTokenizer) {
  EXPECT_NE(refusal("").find("is not JSON"), std::string::npos);
  EXPECT_NE(refusal("{\"model\": {").find("is not JSON"), std::string::npos);
  EXPECT_NE(refusal("\x80\xFF").find("is not JSON"), std::string::npos);
  EXPECT_NE(refusal("[]").find("not a JSON object"), std::string::npos);
  EXPECT_NE(refusal("3").find("not a JSON object"), std::string::npos);
  EXPECT_NE(refusal("{}").find("no 'model'"), std::string::npos);
  EXPECT_NE(refusal(std::string(1'000'000, '[')).find("nests too deeply"), std::string::npos);
  EXPECT_NE(
      refusal("{\"model\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}").find("nests too deeply"),
      std::string::npos);
}

TEST(TokenizerJson, RefusesOtherKindsByName) {
  for (const char* type : {"Unigram", "WordPiece", "WordLevel"}) {
    expect_json_refused(
        "gpt2", [&](Json& json) { json["model"]["type"] = type; }, type);
  }
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["byte_fallback"] = true; }, "byte_fallback");
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix");
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["dropout"] = 0.1; }, "dropout");
  expect_json_refused(
      "gpt2",
      [](Json& json) {
        json["pre_tokenizer"] = {{"type", "Metaspace"}};
      },
      "Metaspace");
  expect_json_refused(
      "gpt2", [](Json& json) { json["pre_tokenizer"] = nullptr; }, "pre-tokenizer");
  expect_json_refused(
      "gpt2", [](Json& json) { json["pre_tokenizer"]["add_prefix_space"] = true; }, "add_prefix_space");
  expect_json_refused(
      "gpt2", [](Json& json) { json["pre_tokenizer"]["use_regex"] = false; }, "use_regex");
  expect_json_refused(
      "gpt2",
      [](Json& json) {
        json["normalizer"] = {{"type", "Lowercase"}};
      },
      "Lowercase");
  expect_json_refused(
      "gpt2",
      [](Json& json) {
        json["decoder"] = {{"type", "WordPiece"}};
      },
      "WordPiece");
  expect_json_refused(
      "gpt2",
      [](Json& json) {
        json["post_processor"] = {{"type", "BertProcessing"}};
      },
      "BertProcessing");
  expect_json_refused(
      "smollm2", [](Json& json) { json["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = false; },
      "individual_digits");
  const auto split = [](Json& json) -> Json& { return json["pre_tokenizer"]["pretokenizers"][0]; };
  expect_json_refused(
      "qwen2", [&](Json& json) { split(json)["pattern"]["Regex"] = "\\p{L}+|.+"; }, "\\p{L}+|.+");
  expect_json_refused(
      "qwen2",
      [&](Json& json) {
        split(json)["pattern"] = {{"String", " "}};
      },
      "pattern");
  expect_json_refused(
      "qwen2", [&](Json& json) { split(json)["behavior"] = "Removed"; }, "Isolated");
  expect_json_refused(
      "qwen2", [&](Json& json) { split(json)["invert"] = true; }, "Isolated");
}

TEST(TokenizerJson, RefusesDamage) {
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["vocab"] = 3; }, "'vocab'");
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"].erase("merges"); }, "'merges'");
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["vocab"] = Json::object(); }, "empty");
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["vocab"]["zz"] = 5; }, "an id has one token");
  expect_json_refused(
      "gpt2", [](Json& json) { json["model"]["vocab"]["\u4E00"] = 5000; }, "byte-level alphabet");
  for (const Json& id : {Json(-1), Json(1ULL << 60), Json(1.5), Json("7"), Json(nullptr), Json(1U << 21)}) {
    expect_json_refused(
        "gpt2", [&](Json& json) { json["model"]["vocab"]["zz"] = id; }, "expected a number below");
    expect_json_refused(
        "gpt2", [&](Json& json) { json["added_tokens"][0]["id"] = id; }, "expected a number below");
  }
  expect_json_refused(
      "gpt2",
      [](Json& json) {
        json["model"]["merges"].push_back({"zq", "x"});
      },
      "vocabulary lacks");
  expect_json_refused(
      "gpt2",
      [](Json& json) {
        json["model"]["merges"].push_back({"z", "q"});
      },
      "needs the token 'zq'");
  for (const Json& merge : {Json("ab"), Json("a b c"), Json({"a"}), Json({"a", 1}), Json(7), Json({"\u4E00", "a"})}) {
    expect_json_refused(
        "gpt2", [&](Json& json) { json["model"]["merges"].push_back(merge); }, "merge ");
  }
  expect_json_refused(
      "gpt2", [](Json& json) { json["added_tokens"] = 7; }, "added_tokens");
  expect_json_refused(
      "gpt2", [](Json& json) { json["added_tokens"].push_back(7); }, "added token");
  expect_json_refused(
      "gpt2", [](Json& json) { json["added_tokens"][0]["special"] = "yes"; }, "special");
  expect_json_refused(
      "gpt2", [](Json& json) { json["added_tokens"][0]["content"] = std::string(5000, 'x'); }, "512");
  expect_json_refused(
      "gpt2", [](Json& json) { json["added_tokens"][0]["id"] = 7; }, "an id has one token");
  const auto processor = [](Json& json) -> Json& { return json["post_processor"]["processors"][1]; };
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["single"] = 1; }, "'single'");
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["single"][0] = 1; }, "neither");
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["single"].erase(1); }, "one Sequence");
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["single"].push_back(processor(json)["single"][1]); }, "one Sequence");
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["single"][1]["Sequence"]["id"] = "B"; }, "one Sequence");
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["single"][1]["Sequence"] = 1; }, "one Sequence");
  expect_json_refused(
      "llama3", [&](Json& json) { processor(json)["special_tokens"] = 1; }, "without listing");
  const auto set_ids = [&](const Json& ids) {
    return [&processor, ids](Json& json) { processor(json)["special_tokens"]["<|begin_of_text|>"]["ids"] = ids; };
  };
  expect_json_refused("llama3", set_ids(-4), "without listing");
  expect_json_refused("llama3", set_ids({"x"}), "without listing");
  expect_json_refused("llama3", set_ids({-4}), "id -4 has no token");
  expect_json_refused("llama3", set_ids({1 << 30}), "has no token");
}

TEST(TokenizerJson, LaterTemplatesGoAroundEarlierOnes) {
  Json json = golden_json("llama3");
  Json& processors = json["post_processor"]["processors"];
  Json outer = processors[1];
  const Json token = {{"SpecialToken", {{"id", "<|eot_id|>"}, {"type_id", 0}}}};
  outer["single"] = Json::array({token, token, outer["single"][1], token});
  outer["special_tokens"]["<|eot_id|>"] = {{"id", "<|eot_id|>"}, {"ids", Json::array({906})}};
  processors[1]["single"].push_back(processors[1]["single"][0]);
  processors.push_back(outer);
  testing::GoldenFamily family = golden_families().at("llama3");
  family.tokenizer_json = json.dump();
  const Tokenizer tokenizer = family.load();
  const std::int64_t a = tokenizer.encode("a").front();
  EXPECT_EQ(tokenizer.encode("a", {.add_special = true}), (std::vector<std::int64_t>{906, 906, 902, a, 902, 906}));
}

// A token that is no added one goes by its spelling in the vocabulary, as in `transformers`.
TEST(TokenizerJson, NamedTokensAreSpeltAsInTheVocabulary) {
  testing::GoldenFamily family = golden_families().at("gpt2");
  family.config_json = R"({"bos_token": "\u010a"})";
  const Tokenizer tokenizer = family.load();
  EXPECT_EQ(tokenizer.encode("\n"), std::vector<std::int64_t>{tokenizer.bos().value()});
  EXPECT_NE(refusal(family.tokenizer_json, R"({"bos_token": "\n"})").find("lacks"), std::string::npos);
}

TEST(TokenizerJson, RefusesADamagedConfig) {
  const std::string good = golden_families().at("gpt2").tokenizer_json;
  EXPECT_EQ(refusal(good, "{}"), "");
  EXPECT_NE(refusal(good, "{").find("tokenizer_config.json"), std::string::npos);
  EXPECT_NE(refusal(good, R"({"bos_token": 7})").find("bos_token"), std::string::npos);
  EXPECT_NE(refusal(good, R"({"eos_token": "<nowhere>"})").find("'<nowhere>'"), std::string::npos);
  EXPECT_NE(refusal(good, R"({"chat_template": [{"name": "rag", "template": "x"}]})").find("default"),
            std::string::npos);
}

// "a" with the post-processor's tokens around it, by a tokenizer_config.json with `more` in it.
std::vector<std::int64_t> framed(const std::string& family_name, const Json& more) {
  testing::GoldenFamily family = golden_families().at(family_name);
  Json config = Json::parse(family.config_json);
  config.update(more);
  family.config_json = config.dump();
  return family.load().encode("a", {.add_special = true});
}

// DeepSeek-R1-Distill-Qwen's tokenizer.json adds nothing, but its class begins texts.
TEST(TokenizerJson, LlamaClassesGoByTheirFlags) {
  const auto plain = golden_families().at("gpt2").load().encode("a");
  ASSERT_EQ(plain.size(), 1U);
  for (const char* name : {"LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast"}) {
    const auto with = [&](const char* family, const char* key, const Json& value) {
      return framed(family, {{"tokenizer_class", name}, {key, value}});
    };
    EXPECT_EQ(with("gpt2", "add_bos_token", true), (std::vector<std::int64_t>{900, plain[0]})) << name;
    EXPECT_EQ(with("gpt2", "add_eos_token", true), (std::vector<std::int64_t>{plain[0], 900})) << name;
    EXPECT_EQ(with("gpt2", "add_bos_token", false), plain) << name;
    EXPECT_EQ(with("llama3", "add_bos_token", true).size(), 2U) << name;
    EXPECT_EQ(with("llama3", "add_bos_token", false).size(), 1U) << name;
    EXPECT_EQ(with("llama3", "add_bos_token", nullptr).size(), 2U) << name;  // as tokenizer.json has it
  }
}

TEST(TokenizerJson, FlagsOfOtherClassesMustAgreeWithThePostProcessor) {
  for (const char* name : {"PreTrainedTokenizerFast", "Qwen2Tokenizer", "MyLlamaTokenizerFast"}) {
    EXPECT_EQ(framed("llama3", {{"tokenizer_class", name}, {"add_bos_token", true}, {"add_eos_token", false}}).size(),
              2U);
    EXPECT_EQ(framed("gpt2", {{"tokenizer_class", name}, {"add_bos_token", false}}).size(), 1U);
  }
  const std::string good = golden_families().at("gpt2").tokenizer_json;
  EXPECT_NE(refusal(good, R"({"bos_token": "<|endoftext|>", "add_bos_token": true})").find("post-processor"),
            std::string::npos);
  EXPECT_NE(refusal(good, R"({"eos_token": "<|endoftext|>", "add_eos_token": true})").find("add_eos_token"),
            std::string::npos);
  EXPECT_NE(refusal(good, R"({"add_bos_token": true})").find("names no such token"), std::string::npos);
  EXPECT_NE(refusal(good, R"({"add_bos_token": "yes"})").find("true or false"), std::string::npos);
}

TEST(TokenizerJson, ReadsMergesOfBothForms) {
  Json json = golden_json("gpt2");
  for (Json& merge : json["model"]["merges"]) {
    if (merge.is_array()) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  json["model"].erase("type");  // as in the oldest files
  testing::GoldenFamily family = golden_families().at("gpt2");
  family.tokenizer_json = json.dump();
  EXPECT_EQ(family.load().encode("the teacher shows"), golden_families().at("gpt2").load().encode("the teacher shows"));
}

TEST(TokenizerJson, ReadsChatTemplates) {
  const TemporaryFolder folder;
  write_text(folder / "tokenizer.json", golden_families().at("gpt2").tokenizer_json);
  const auto chat_template = [&] { return load_tokenizer(folder.path()).chat_template(); };
  EXPECT_EQ(chat_template(), std::nullopt);
  write_text(folder / "tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(chat_template(), "one");
  write_text(folder / "tokenizer_config.json",
             R"({"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(chat_template(), "d");
  write_text(folder / "chat_template.jinja", "from the file");
  EXPECT_EQ(chat_template(), "from the file");
}

TEST(TokenizerJson, LoadsAFolderOrTheFile) {
  const TemporaryFolder folder;
  EXPECT_THROW(load_tokenizer(folder.path()), InputError);
  EXPECT_THROW(load_tokenizer(folder / "missing"), InputError);
  write_text(folder / "model.bin", "x");
  EXPECT_THROW(load_tokenizer(folder / "model.bin"), InputError);
  write_text(folder / "tokenizer.json", golden_families().at("qwen2").tokenizer_json);
  EXPECT_TRUE(same_vocabulary(load_tokenizer(folder.path()), load_tokenizer(folder / "tokenizer.json")));
}

// Bytes changed, cut or doubled anywhere: an InputError or a tokenizer, never anything else.
TEST(TokenizerJson, SurvivesRandomDamage) {
  const std::string good = golden_families().at("llama3").tokenizer_json;
  std::mt19937 engine(11);
  for (int round = 0; round < 300; ++round) {
    std::string text = good;
    for (unsigned change = 0; change < 1 + engine() % 3; ++change) {
      const std::size_t at = engine() % text.size();
      if (round % 3 == 0) text[at] = static_cast<char>(engine() % 256);
      if (round % 3 == 1) text.erase(at, 1 + engine() % 40);
      if (round % 3 == 2) text.insert(at, text.substr(engine() % text.size(), 1 + engine() % 40));
    }
    refusal(text);
  }
}

}  // namespace
}  // namespace drystill::language
