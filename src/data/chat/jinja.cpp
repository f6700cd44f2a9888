#include "data/chat/jinja.h"

#include <jinja/lexer.h>
#include <jinja/parser.h>
#include <jinja/runtime.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"

namespace salf::data {
namespace {

// Marks stand for {% generation %} and {% endgeneration %} in the text. These characters are for
// private use; a text that holds one of them is refused.
constexpr std::string_view kBeginMark = "\xF3\xBF\xBF\xA0", kEndMark = "\xF3\xBF\xBF\xA1";
constexpr const char* kEnter = "salf_enter";  // begins each macro
constexpr const char* kLeave = "salf_leave";  // ends each macro
constexpr const char* kStep = "salf_step";    // begins each turn of a loop
constexpr std::int64_t kMostSteps = 10'000'000;
constexpr int kDeepestMacro = 100;
constexpr std::int64_t kLargestRange = 1'000'000;

// Limits of the source: the engine's parser recurses. Templates of models stay far below.
constexpr int kDeepestBracket = 64;
constexpr int kDeepestBlock = 64;
constexpr int kMostBranches = 512;  // elif, else and if expressions
constexpr int kMostTokensOfTag = 2000;
constexpr std::size_t kLongestNumber = 7;  // digits: 'x' * 9999999 is still a text

using Tokens = std::vector<jinja::token>;
using jinja::token;

bool is_name(const token& word, const char* name) {
  return word.t == token::identifier && word.value == name;
}

// Checks nesting and lengths.
class LimitCheck {
 public:
  explicit LimitCheck(const std::string& name) : name_(name) {}

  void check(const Tokens& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      count_brackets(tokens[i]);
      if (tokens[i].t == token::open_statement && i + 1 < tokens.size())
        count_blocks(tokens[i + 1]);
      if (is_name(tokens[i], "else") || is_name(tokens[i], "elif"))
        limit(++branches_, kMostBranches, "branches");
      if (tokens[i].t == token::numeric_literal && tokens[i].value.size() > kLongestNumber + 1)
        refuse(name_, "the chat template has the number " + core::printable(tokens[i].value, 40));
    }
  }

 private:
  void count_brackets(const token& next) {
    switch (next.t) {
      case token::open_paren:
      case token::open_square_bracket:
      case token::open_curly_bracket: return limit(++brackets_, kDeepestBracket, "nested brackets");
      case token::close_paren:
      case token::close_square_bracket:
      case token::close_curly_bracket: --brackets_; return;
      case token::open_statement:
      case token::open_expression:
      case token::text: brackets_ = tag_ = 0; return;
      default: limit(++tag_, kMostTokensOfTag, "words in one tag");
    }
  }

  void count_blocks(const token& word) {
    for (const char* begin : {"if", "for", "macro", "call", "filter", "set"}) {
      if (is_name(word, begin)) limit(++blocks_, kDeepestBlock * 16, "blocks");
      if (is_name(word, (std::string("end") + begin).c_str())) --blocks_;
    }
  }

  void limit(int count, int most, const char* what) const {
    if (count > most)
      refuse(name_, "the chat template has more than " + std::to_string(most) + " " + what);
  }

  const std::string& name_;
  int brackets_ = 0, blocks_ = 0, branches_ = 0, tag_ = 0;
};

void add_call(Tokens& tokens, const char* function, std::size_t place) {
  tokens.push_back({token::open_expression, "{{", place});
  tokens.push_back({token::identifier, function, place});
  tokens.push_back({token::open_paren, "(", place});
  tokens.push_back({token::close_paren, ")", place});
  tokens.push_back({token::close_expression, "}}", place});
}

// Puts marks for generation blocks, and calls that count macros and turns of loops.
Tokens instrumented(const Tokens& tokens) {
  Tokens result;
  for (std::size_t i = 0; i < tokens.size();) {
    const std::size_t place = tokens[i].pos;
    if (tokens[i].t != token::open_statement || i + 1 == tokens.size()) {
      result.push_back(tokens[i++]);
      continue;
    }
    const token& word = tokens[i + 1];
    std::size_t end = i;
    while (end < tokens.size() && tokens[end].t != token::close_statement) ++end;
    end = std::min(end + 1, tokens.size());
    if (is_name(word, "endmacro")) add_call(result, kLeave, place);
    if (is_name(word, "generation") || is_name(word, "endgeneration")) {
      const bool begins = word.value == "generation";
      result.push_back({token::text, std::string(begins ? kBeginMark : kEndMark), place});
    } else {
      result.insert(result.end(), tokens.begin() + static_cast<std::ptrdiff_t>(i),
          tokens.begin() + static_cast<std::ptrdiff_t>(end));
    }
    if (is_name(word, "macro")) add_call(result, kEnter, place);
    if (is_name(word, "for")) add_call(result, kStep, place);
    i = end;
  }
  return result;
}

jinja::value value_of(const core::Json& json) {
  switch (json.type()) {
    case core::Json::value_t::boolean: return jinja::mk_val<jinja::value_bool>(json.get<bool>());
    case core::Json::value_t::number_integer:
    case core::Json::value_t::number_unsigned:
      return jinja::mk_val<jinja::value_int>(json.get<std::int64_t>());
    case core::Json::value_t::number_float:
      return jinja::mk_val<jinja::value_float>(json.get<double>());
    case core::Json::value_t::string:
      return jinja::mk_val<jinja::value_string>(json.get<std::string>());
    case core::Json::value_t::array: {
      auto list = jinja::mk_val<jinja::value_array>();
      for (const core::Json& item : json) list->push_back(value_of(item));
      return list;
    }
    case core::Json::value_t::object: {
      auto object = jinja::mk_val<jinja::value_object>();
      for (auto item = json.begin(); item != json.end(); ++item)
        object->insert(item.key(), value_of(*item));
      return object;
    }
    default: return jinja::mk_val<jinja::value_none>();
  }
}

jinja::value function_value(const char* name, const jinja::func_handler& function) {
  return jinja::mk_val<jinja::value_func>(name, function);
}

// Counts on behalf of one rendering.
struct Counts {
  std::int64_t steps = 0;
  int depth = 0;
};

void add_counters(jinja::context& context, Counts& counts) {
  const auto nothing = [] { return jinja::mk_val<jinja::value_undefined>(); };
  context.set_val(kStep, function_value(kStep, [&counts, nothing](const jinja::func_args&) {
    if (++counts.steps > kMostSteps) throw std::runtime_error("the loops turn too often");
    return nothing();
  }));
  context.set_val(kEnter, function_value(kEnter, [&counts, nothing](const jinja::func_args&) {
    if (++counts.depth > kDeepestMacro)
      throw std::runtime_error("macros call each other too deeply");
    return nothing();
  }));
  context.set_val(kLeave, function_value(kLeave, [&counts, nothing](const jinja::func_args&) {
    --counts.depth;
    return nothing();
  }));
  // The engine's range() makes a list of any length.
  const jinja::func_handler range = jinja::global_builtins().at("range");
  context.set_val("range", function_value("range", [range](const jinja::func_args& arguments) {
    for (const jinja::value& argument : arguments.get_args()) {
      if (jinja::is_val<jinja::value_int>(argument) && std::abs(argument->as_int()) > kLargestRange)
        throw std::runtime_error("range() is too long");
    }
    return range(arguments);
  }));
}

// Takes the marks out.
JinjaText without_marks(const std::string& marked, const std::string& name) {
  JinjaText result;
  std::optional<std::size_t> begin;
  for (std::size_t place = 0; place < marked.size();) {
    const std::string_view rest = std::string_view(marked).substr(place);
    const bool begins = rest.substr(0, kBeginMark.size()) == kBeginMark;
    if (!begins && rest.substr(0, kEndMark.size()) != kEndMark) {
      const std::size_t next = std::min(marked.find(kBeginMark[0], place + 1), marked.size());
      result.text.append(marked, place, next - place);
      place = next;
      continue;
    }
    if (begins == begin.has_value()) refuse(name, "generation blocks within each other");
    if (!begins) result.generated.push_back({*begin, result.text.size()});
    begin.reset();
    if (begins) begin = result.text.size();
    place += kBeginMark.size();
  }
  return result;
}

// The engine's message without its picture of the source, and what the template raised.
std::string plain_message(const std::exception& error) {
  std::string text = error.what();
  for (const char* mark : {"Jinja Exception: ", "\nError: "}) {
    const std::size_t place = text.rfind(mark);
    if (place != std::string::npos) text = text.substr(place + std::string_view(mark).size());
  }
  return core::printable(text, 300);
}

}  // namespace

struct JinjaTemplate::Program {
  std::string name;
  jinja::program program;
  std::vector<std::string> words;  // names and strings
  bool has_generation = false;
};

JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;

JinjaTemplate::JinjaTemplate(const std::string& source, const std::string& name)
    : program_(std::make_unique<Program>()) {
  program_->name = name;
  if (const auto invalid = core::invalid_utf8(source))
    refuse(name, "the chat template is not valid UTF-8 at byte " + std::to_string(*invalid + 1));
  try {
    jinja::lexer lexer;
    jinja::lexer_result lexed = lexer.tokenize(source);
    LimitCheck(name).check(lexed.tokens);
    for (std::size_t i = 0; i < lexed.tokens.size(); ++i) {
      const token& next = lexed.tokens[i];
      if (next.t == token::identifier || next.t == token::string_literal)
        program_->words.push_back(next.value);
      if (i > 0 && lexed.tokens[i - 1].t == token::open_statement && is_name(next, "generation"))
        program_->has_generation = true;
    }
    lexed.tokens = instrumented(lexed.tokens);
    program_->program = jinja::parse_from_tokens(lexed);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    refuse(name, "the chat template cannot be read: " + plain_message(error));
  }
}

JinjaText JinjaTemplate::render(const core::Json& variables) const {
  try {
    Counts counts;
    jinja::context context;
    add_counters(context, counts);
    for (auto item = variables.begin(); item != variables.end(); ++item)
      context.set_val(item.key(), value_of(*item));
    jinja::runtime runtime(context);
    const jinja::value_array results = runtime.execute(program_->program);
    const auto parts = jinja::runtime::gather_string_parts(results);
    return without_marks(parts->as_string().str(), program_->name);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kBadInput, plain_message(error));
  }
}

bool JinjaTemplate::has_generation() const { return program_->has_generation; }

bool JinjaTemplate::mentions(const std::string& word) const {
  const auto& words = program_->words;
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace salf::data
