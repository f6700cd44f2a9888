#include "core/log.h"
#include "data/tokenizer/pipeline.h"

namespace salf::data {
namespace {

// The id of a name in special_tokens. A name for several ids is not supported.
std::int64_t template_id(const JsonView& post_processor, const JsonView& name) {
  const JsonView ids = post_processor.at("special_tokens").at(name.text().c_str()).at("ids");
  if (ids.array().size() != 1) ids.fail("expected one id");
  return ids.item(0).id();
}

// Sets `first` to the id that a template puts in front of a text, if any.
void read_template(const JsonView& post_processor, std::optional<std::int64_t>& first) {
  post_processor.only_keys({"type", "single", "pair", "special_tokens"});
  const JsonView single = post_processor.at("single");
  bool text_seen = false;
  bool end_seen = false;
  for (const JsonView& part : single.items()) {
    part.only_keys({"Sequence", "SpecialToken"});
    if (part.find("Sequence")) {
      if (text_seen) part.fail("the text occurs twice in the template");
      text_seen = true;
      continue;
    }
    const JsonView name = part.at("SpecialToken").at("id");
    if (text_seen ? std::exchange(end_seen, true) : first.has_value()) {
      part.fail("a second token " + core::printable(name.text()) +
                " on one side of the text is not supported");
    }
    if (!text_seen) first = template_id(post_processor, name);
  }
  if (!text_seen) single.fail("expected a Sequence, found none");
}

void read_post_processor(const JsonView& post_processor, std::optional<std::int64_t>& first) {
  const JsonView type = post_processor.at("type");
  if (type.text() == "ByteLevel") return;  // moves offsets, which are not kept
  if (type.text() == "TemplateProcessing") return read_template(post_processor, first);
  if (type.text() != "Sequence") {
    type.fail(core::printable(type.text()) +
              " is not supported; known: ByteLevel, TemplateProcessing, Sequence");
  }
  post_processor.only_keys({"type", "processors"});
  for (const JsonView& item : post_processor.at("processors").items()) {
    read_post_processor(item, first);
  }
}

// "bos_token": a string, or an object with "content"; null: none. transformers gives a token that
// the tokenizer lacks a new id, which the model does not know; here it is an error.
std::optional<std::int64_t> config_id(const JsonView& config, const char* key,
    const IdLookup& id_of, const std::optional<std::int64_t>& otherwise,
    bool optional_token = false) {
  const auto member = config.find(key);
  if (!member) return config.value().contains(key) ? std::nullopt : otherwise;
  const std::string content = member->is_object() ? member->at("content").text() : member->text();
  const auto id = id_of(content);
  if (!id && optional_token) return std::nullopt;
  if (!id) member->fail("the tokenizer has no token \"" + core::printable(content, 60) + '"');
  return id;
}

}  // namespace

SpecialIds read_special_ids(const std::optional<JsonView>& post_processor,
    const std::optional<JsonView>& config, const IdLookup& id_of, const SpecialIds& defaults) {
  std::optional<std::int64_t> first;
  if (post_processor) read_post_processor(*post_processor, first);
  SpecialIds ids = defaults;
  if (config) {
    ids.bos = config_id(*config, "bos_token", id_of, defaults.bos);
    ids.eos = config_id(*config, "eos_token", id_of, defaults.eos);
    ids.padding = config_id(*config, "pad_token", id_of, defaults.padding, true);
  }
  if (post_processor) ids.where = post_processor->where();
  if (!ids.bos) ids.bos = first;
  if (first && ids.bos != first) {
    post_processor->fail("the template begins with the id " + std::to_string(*first) +
                         ", but bos_token is " + std::to_string(*ids.bos));
  }
  ids.add_bos = first.has_value() || (defaults.add_bos && ids.bos);
  if (config) ids.add_bos = config->flag("add_bos_token", ids.add_bos);
  if (ids.add_bos && !ids.bos) config->fail("add_bos_token is true, but there is no bos_token");
  return ids;
}

}  // namespace salf::data
