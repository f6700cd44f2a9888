// Layers: how far each space is from the right word, what each block brings, and where the cut
// lies.
#include <algorithm>
#include <cmath>

#include "core/statistics.h"
#include "core/text.h"
#include "report/page/chart.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

constexpr std::size_t kMostPositions = 64;
constexpr std::size_t kMostSpaces = 128;

std::vector<double> counted(std::size_t count) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(i);
  return values;
}

void add_errors(const std::vector<double>& errors, Series& series) {
  if (std::none_of(errors.begin(), errors.end(), [](double error) { return std::isfinite(error); }))
    return;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    series.low.push_back(series.y[i] - core::kNormal95 * errors[i]);
    series.high.push_back(series.y[i] + core::kNormal95 * errors[i]);
  }
}

// The cut and what the other rules would have chosen by this measure. A block's axis is half a
// place further left.
void add_cuts(const RunData& run, types::Measure measure, double shift, Chart& chart) {
  if (!run.plan) return;
  const auto cut = static_cast<double>(run.plan->cut);
  if (run.plan->cut > 0) chart.spans.push_back({-1.0, cut + shift, text(Word::kFrozenSpan)});
  chart.marks.push_back({cut + shift,
      {text(Word::kCut).en + " " + std::to_string(run.plan->cut),
          text(Word::kCut).ja + " " + std::to_string(run.plan->cut)},
      true});
  for (const types::RuleChoice& choice : run.plan->choices) {
    if (choice.measure != measure || choice.cut == run.plan->cut) continue;
    const std::string name = core::enum_to_string(choice.rule) + " " + std::to_string(choice.cut);
    const double place = static_cast<double>(choice.cut) + shift;
    const auto same_place = std::find_if(chart.marks.begin(), chart.marks.end(),
        [place](const Mark& mark) { return mark.x == place; });
    if (same_place == chart.marks.end()) {
      chart.marks.push_back({place, same(name)});
    } else {
      same_place->label = {same_place->label.en + ", " + name, same_place->label.ja + ", " + name};
    }
  }
}

std::string deviation_figure(
    const RunData& run, const types::Deviation& measured, const std::string& path) {
  const bool cosine = measured.measure == types::Measure::kCosine;
  Chart chart{text(cosine ? Word::kDeviationCosine : Word::kDeviationLoss), text(Word::kSpaceAxis),
      text(Word::kDeviationAxis), {}, {}, {}};
  Series series{text(Word::kDeviationAxis), counted(measured.deviation.size()), measured.deviation,
      {}, {}, Shape::kLine, cosine ? 0 : 1, path + ".deviation"};
  add_errors(measured.standard_error, series);
  chart.series.push_back(std::move(series));
  add_cuts(run, measured.measure, 0.0, chart);
  return figure(chart);
}

std::string gain_figure(
    const RunData& run, const types::Deviation& measured, const std::string& path) {
  Chart chart{text(Word::kGainChart), text(Word::kBlockAxis), text(Word::kGainAxis), {}, {}, {}};
  Series series{text(Word::kGainAxis), counted(measured.gain.size()), measured.gain, {}, {},
      Shape::kBars, 2, path + ".gain"};
  add_errors(measured.gain_error, series);
  chart.series.push_back(std::move(series));
  add_cuts(run, measured.measure, -0.5, chart);
  return figure(chart);
}

// The smallest and the largest deviation that a map shows: its two colours.
struct Scale {
  double near = 0.0, far = 1.0;
};

Scale scale_of(const types::TokenMap& map) {
  Scale scale{2.0, 0.0};
  for (const auto& row : map.deviation) {
    for (const double value : row) {
      if (value < 0.0) continue;
      scale.near = std::min(scale.near, value);
      scale.far = std::max(scale.far, value);
    }
  }
  return scale;
}

// White space as signs that can be seen.
std::string visible(const std::string& token) {
  std::string out;
  for (const char c : token) {
    if (c == '\n') {
      out += "↵";
    } else if (c == '\t') {
      out += "⇥";
    } else {
      out += c;
    }
  }
  const bool blank = token.find_first_not_of(' ') == std::string::npos;
  return blank && !token.empty() ? "␣" : out;
}

std::string heat_cell(double deviation, const std::string& nearest, const Scale& scale, bool show) {
  if (deviation < 0.0) return "<td></td>";
  const double share =
      scale.far > scale.near
          ? std::clamp((scale.far - deviation) / (scale.far - scale.near), 0.0, 1.0)
          : 0.5;
  return "<td style=\"background:color-mix(in srgb,var(--warm) " +
         std::to_string(std::lround(100.0 * share)) + "%,var(--cold))\" title=\"" +
         core::format_number(deviation, 3) + "\">" +
         (show ? escape(visible(nearest), 40) : core::format_number(deviation, 2)) + "</td>";
}

std::string heat_row(
    const std::string& name, const std::vector<std::string>& cells, std::size_t count, bool show) {
  std::string out = "<tr><th scope=\"row\">" + name + "</th>";
  for (std::size_t i = 0; i < count; ++i) {
    out +=
        "<th scope=\"col\">" + (show ? escape(visible(cells[i]), 40) : std::to_string(i)) + "</th>";
  }
  return out + "</tr>";
}

std::string heat_legend(const Scale& scale) {
  return "<ul class=\"legend\"><li><i class=\"key kwarm\"></i>" +
         words(text(Word::kNear), {core::format_number(scale.near, 3)}) +
         "</li><li><i class=\"key kcold\"></i>" +
         words(text(Word::kFar), {core::format_number(scale.far, 3)}) + "</li></ul>";
}

// As a table: it can be read aloud, printed and copied; deepest space first.
std::string heat_map(const types::TokenMap& map, bool show) {
  const std::size_t positions = std::min(map.tokens.size(), kMostPositions);
  const std::size_t spaces = std::min(map.deviation.size(), kMostSpaces);
  const Scale scale = scale_of(map);
  std::string out =
      "<figure><figcaption>" +
      words(text(show ? Word::kHeatTitle : Word::kHeatNoText), {core::format_count(map.line)}) +
      "</figcaption>" + heat_legend(scale) + "<div class=\"heat\"><table><thead>";
  out += heat_row(words(text(Word::kToken)), map.tokens, positions, show);
  if (show) out += heat_row(words(text(Word::kToPredict)), map.labels, positions, true);
  out += "</thead><tbody>";
  for (std::size_t down = spaces; down-- > 0;) {
    out += "<tr><th scope=\"row\">" + words(text(Word::kSpaceShort)) + " " + std::to_string(down) +
           "</th>";
    for (std::size_t i = 0; i < positions; ++i)
      out += heat_cell(map.deviation[down][i], map.nearest[down][i], scale, show);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div></figure>\n";
}

}  // namespace

const types::Deviation* find_deviation(const types::LayerProfile& profile, types::Measure measure) {
  for (const auto& deviation : profile.deviations) {
    if (deviation.measure == measure) return &deviation;
  }
  return nullptr;
}

std::string layers(const RunData& run, const Context& context) {
  if (!run.profile) return paragraph(words(text(Word::kNoProfile)));
  std::string charts;
  for (std::size_t i = 0; i < run.profile->deviations.size(); ++i) {
    charts += deviation_figure(
        run, run.profile->deviations[i], "profile.deviations[" + std::to_string(i) + "]");
  }
  charts += gain_figure(run, run.profile->deviations.front(), "profile.deviations[0]");
  std::string maps;
  for (const types::TokenMap& map : run.profile->token_maps)
    maps += heat_map(map, context.options.text);
  if (maps.empty()) maps = paragraph(words(text(Word::kNoMaps)), "why");
  return "<div class=\"figures\">" + charts + "</div>" + maps;
}

}  // namespace salf::report
