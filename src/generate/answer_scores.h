// How a written answer compares with its reference.
#pragma once

#include <optional>
#include <string>

namespace salf::generate {

// SQuAD's normalisation (Rajpurkar et al. 2016, arXiv 1606.05250, its evaluation script): lower
// case, without ASCII punctuation and the articles a, an and the, words one space apart.
std::string normalized_answer(const std::string& text);

// Whether both are equal when normalised.
bool exact_match(const std::string& answer, const std::string& reference);

// 2PR / (P + R) over the words of the normalised texts, each counted as often as both have it; 1
// where neither has a word, 0 where one of them has none.
double token_f1(const std::string& answer, const std::string& reference);

// The number of an answer in GSM8K's form (Cobbe et al. 2021, arXiv 2110.14168): behind the last
// "####", else the last one of the text. Commas between digits are left out, and so is a point at
// the end. Nothing where there is none.
std::optional<double> final_number(const std::string& text);

}  // namespace salf::generate
