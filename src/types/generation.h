// Texts that models wrote: what salf generate prints as JSON, the scores of answers in eval.json,
// and the answers before and after a run (answers.json beside run.json).
#pragma once

#include <filesystem>

#include "types/layer_profile.h"

namespace salf::types {

// Why a text ended: the model wrote an end token, the text has as many tokens as were asked for,
// the model's context is full, or the work was stopped.
enum class TextEnd { kEnd, kLength, kContext, kStopped };
inline std::vector<core::EnumName<TextEnd>> enum_names(TextEnd) {
  return {{TextEnd::kEnd, "end"}, {TextEnd::kLength, "length"}, {TextEnd::kContext, "context"},
      {TextEnd::kStopped, "stopped"}};
}

struct GeneratedText {
  std::string text;                // what stands behind the prompt
  std::int64_t prompt_tokens = 0;  // of the prompt
  std::int64_t tokens = 0;         // written, without the end token
  // Why it ended: an end token, as many tokens as were asked for, a full context, or a signal.
  TextEnd end = TextEnd::kLength;
  double prompt_seconds = 0.0;  // to the first token
  double seconds = 0.0;         // of all

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("text", self.text);
    visit(Field{"prompt_tokens"}.range(0, 1e12), self.prompt_tokens);
    visit(Field{"tokens"}.range(0, 1e12), self.tokens);
    visit("end", self.end);
    visit(Field{"prompt_seconds"}.range(0, 1e12), self.prompt_seconds);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
  }
};

// A prompt and its texts.
struct GeneratedAnswer {
  std::string prompt;                    // as it was given; of a conversation its last message
  std::optional<std::string> reference;  // that the row has
  GeneratedText answer;                  // what the model wrote
  std::optional<GeneratedText> base;     // of the model of --beside

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("prompt", self.prompt);
    visit("reference", self.reference);
    visit("answer", self.answer);
    visit("base", self.base);
  }
};

// What salf generate prints as JSON.
struct Generation {
  static constexpr const char* kSchema = "salf.generate/1";

  Provenance provenance;  // the model and the machine
  std::string beside;     // the model of --beside; "": none
  bool cached = false;    // keys and values were kept; else each token read the whole text again
  std::vector<GeneratedAnswer> answers;  // one for each prompt

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("provenance", self.provenance);
    visit("beside", self.beside);
    visit("cached", self.cached);
    visit("answers", self.answers);
  }
};

// Answers of held-out rows before and after a run, as much of each as was asked for.
struct AnswerPair {
  std::string prompt;                // the row up to its last answer
  std::string reference;             // the row's answer
  std::string before;                // what the model wrote before the first step
  std::optional<std::string> after;  // nothing while the run goes on

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("prompt", self.prompt);
    visit("reference", self.reference);
    visit("before", self.before);
    visit("after", self.after);
  }
};

// answers.json
struct RunAnswers {
  static constexpr const char* kSchema = "salf.answers/1";

  std::int64_t tokens = 0;          // of an answer at most
  double seconds = 0.0;             // that writing them took
  std::vector<AnswerPair> answers;  // one for each row

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"tokens"}.range(1, 1e6), self.tokens);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
    visit("answers", self.answers);
  }
};

// core::read_document and check of the ranges. Throws Error(kIo) or Error(kBadInput).
RunAnswers read_answers(const std::filesystem::path& path);

}  // namespace salf::types
