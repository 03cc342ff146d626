#include "language/tokenizer/tokenizer_config.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "io/json_file.h"
#include "io/mapped_file.h"
#include "io/quote.h"

namespace drystill::language {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLargestTemplate = std::size_t{1} << 20;

// A token is a text, or an object with its text in "content".
std::optional<std::string> token_text(const Json& config, const char* key, const std::filesystem::path& path) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_object() && found->contains("content") && found->at("content").is_string()) {
    return found->at("content").get<std::string>();
  }
  throw InputError(io::quote(path.string()) + ": " + key + " is neither a text nor an object with a text 'content'");
}

std::optional<std::string> template_text(const Json& config, const std::filesystem::path& path) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_array()) {
    for (const Json& named : *found) {
      if (named.is_object() && named.value("name", Json()) == "default" && named.contains("template") &&
          named.at("template").is_string()) {
        return named.at("template").get<std::string>();
      }
    }
  }
  throw InputError(io::quote(path.string()) + ": chat_template is neither a text nor a list with one named 'default'");
}

std::optional<bool> flag_of(const Json& config, const char* key, const std::filesystem::path& path) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (found->is_boolean()) return found->get<bool>();
  throw InputError(io::quote(path.string()) + ": " + key + " is " + io::quote(found->dump()) +
                   ", expected true or false");
}

// `transformers`: LlamaTokenizer, CodeLlamaTokenizer and both with Fast behind build their post-processor from the
// flags.
bool is_llama_class(const Json& config) {
  const auto found = config.find("tokenizer_class");
  if (found == config.end() || !found->is_string()) return false;
  std::string_view name = found->get_ref<const std::string&>();
  if (name.ends_with("Fast")) name.remove_suffix(4);
  return name == "LlamaTokenizer" || name == "CodeLlamaTokenizer";
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig result;
  const auto path = folder / "tokenizer_config.json";
  if (std::filesystem::exists(path)) {
    const Json config = io::read_json_object(path);
    result.bos_token = token_text(config, "bos_token", path);
    result.eos_token = token_text(config, "eos_token", path);
    result.pad_token = token_text(config, "pad_token", path);
    result.chat_template = template_text(config, path);
    result.add_bos_token = flag_of(config, "add_bos_token", path);
    result.add_eos_token = flag_of(config, "add_eos_token", path);
    result.flags_rule = is_llama_class(config);
  }
  const auto jinja = folder / "chat_template.jinja";  // newer; counts where both are there
  if (std::filesystem::exists(jinja)) {
    const io::MappedFile file(jinja);
    if (file.bytes().size() > kLargestTemplate) {
      throw InputError(io::quote(jinja.string()) + " is larger than a chat template can be (1 MiB)");
    }
    result.chat_template.emplace(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  }
  return result;
}

}  // namespace drystill::language
