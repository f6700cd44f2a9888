// Jinja templates, set up as in transformers (trim_blocks, lstrip_blocks, its filters and
// functions), by the engine of llama.cpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json.h"

namespace salf::data {

// Bytes [begin, end) of a text.
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct JinjaText {
  std::string text;
  std::vector<ByteSpan> generated;  // what stood within {% generation %} … {% endgeneration %}
};

class JinjaTemplate {
 public:
  // `name` starts each error. Throws Error(kBadInput) for what is no template, and for one that
  // is nested too deeply to be a template of a model.
  JinjaTemplate(const std::string& source, const std::string& name);
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;

  // `variables` is an object. Throws Error(kBadInput) where the template raises or does what the
  // engine does not know, and beyond 10 million turns of loops or 100 nested macros.
  JinjaText render(const core::Json& variables) const;
  bool has_generation() const;
  // True if the template has the name or the string `word`.
  bool mentions(const std::string& word) const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

}  // namespace salf::data
