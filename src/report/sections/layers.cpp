// The section Layers: deviations, gains, the cut, and token maps.
#include <algorithm>
#include <cmath>

#include "core/statistics.h"
#include "core/text.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

constexpr std::size_t kMostPositions = 64;
constexpr std::size_t kMostSpaces = 128;

// A series with y over 0, 1, 2, …, and 95 % intervals where errors are known.
Series indexed_series(const Text& name, Shape shape, int colour, const std::vector<double>& values,
    const std::vector<double>& errors, const std::string& path) {
  Series series{name, shape, colour};
  series.path = path;
  for (const double value : values) series.add(static_cast<double>(series.x.size()), value);
  if (std::none_of(errors.begin(), errors.end(), [](double error) { return std::isfinite(error); }))
    return series;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    series.low.push_back(values[i] - core::kNormal95 * errors[i]);
    series.high.push_back(values[i] + core::kNormal95 * errors[i]);
  }
  return series;
}

// Marks the cut and the other rules' choices by this measure. On an axis of blocks the shift is
// half a block to the left.
void add_cuts(const RunData& run, types::Measure measure, double shift, Chart& chart) {
  if (!run.plan) return;
  const Mark chosen = cut_mark(run.plan->cut, shift);
  if (run.plan->cut > 0) chart.spans.push_back({-1.0, chosen.x, text(Word::kFrozenSpan)});
  chart.marks.push_back(chosen);
  for (const types::RuleChoice& choice : run.plan->choices) {
    if (choice.measure != measure || choice.cut == run.plan->cut) continue;
    const std::string name = core::enum_to_string(choice.rule) + " " + std::to_string(choice.cut);
    const double place = static_cast<double>(choice.cut) + shift;
    const auto same_place = std::find_if(chart.marks.begin(), chart.marks.end(),
        [place](const Mark& mark) { return mark.x == place; });
    if (same_place == chart.marks.end()) {
      chart.marks.push_back({place, same(name)});
    } else {
      same_place->label = append(same_place->label, ", " + name);
    }
  }
}

std::string deviation_figure(
    const RunData& run, const types::Deviation& measured, const std::string& path) {
  const bool cosine = measured.measure == types::Measure::kCosine;
  Chart chart{text(cosine ? Word::kDeviationCosine : Word::kDeviationLoss), text(Word::kSpaceAxis),
      text(Word::kDeviationAxis)};
  chart.series = {indexed_series(chart.y_label, Shape::kLine, cosine ? 0 : 1, measured.deviation,
      measured.standard_error, path + ".deviation")};
  add_cuts(run, measured.measure, 0.0, chart);
  return figure(chart);
}

std::string gain_figure(
    const RunData& run, const types::Deviation& measured, const std::string& path) {
  Chart chart{text(Word::kGainChart), text(Word::kBlockAxis), text(Word::kGainAxis)};
  chart.series = {indexed_series(
      chart.y_label, Shape::kBars, 2, measured.gain, measured.gain_error, path + ".gain")};
  add_cuts(run, measured.measure, -0.5, chart);
  return figure(chart);
}

// The smallest and the largest deviation of a map: the ends of its colours.
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

// White space as visible signs.
std::string visible(const std::string& token) {
  std::string out;
  for (const char c : token)
    out += c == '\n' ? std::string("↵") : c == '\t' ? std::string("⇥") : std::string(1, c);
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
         words(Word::kNear, {core::format_number(scale.near, 3)}) +
         "</li><li><i class=\"key kcold\"></i>" +
         words(Word::kFar, {core::format_number(scale.far, 3)}) + "</li></ul>";
}

// A table, deepest space first: it can be read aloud, printed and copied.
std::string heat_map(const types::TokenMap& map, bool show) {
  const std::size_t positions = std::min(map.tokens.size(), kMostPositions);
  const std::size_t spaces = std::min(map.deviation.size(), kMostSpaces);
  const Scale scale = scale_of(map);
  std::string out =
      "<figure><figcaption>" +
      words(show ? Word::kHeatTitle : Word::kHeatNoText, {core::format_count(map.line)}) +
      "</figcaption>" + heat_legend(scale) + "<div class=\"heat\"><table><thead>";
  out += heat_row(words(Word::kToken), map.tokens, positions, show);
  if (show) out += heat_row(words(Word::kToPredict), map.labels, positions, true);
  out += "</thead><tbody>";
  for (std::size_t down = spaces; down-- > 0;) {
    out +=
        "<tr><th scope=\"row\">" + words(Word::kSpaceShort) + " " + std::to_string(down) + "</th>";
    for (std::size_t i = 0; i < positions; ++i)
      out += heat_cell(map.deviation[down][i], map.nearest[down][i], scale, show);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div></figure>\n";
}

}  // namespace

Mark cut_mark(std::int64_t cut, double shift) {
  return {
      static_cast<double>(cut) + shift, append(text(Word::kCut), " " + std::to_string(cut)), true};
}

std::string layers(const RunData& run, const Context& context) {
  if (!run.profile) return paragraph(Word::kNoProfile);
  std::string charts;
  for (std::size_t i = 0; i < run.profile->deviations.size(); ++i) {
    charts += deviation_figure(run, run.profile->deviations[i], indexed("profile.deviations", i));
  }
  charts += gain_figure(run, run.profile->deviations.front(), "profile.deviations[0]");
  std::string maps;
  for (const types::TokenMap& map : run.profile->token_maps)
    maps += heat_map(map, context.options.text);
  return figures(charts) + (maps.empty() ? paragraph(Word::kNoMaps, "why") : maps);
}

}  // namespace salf::report
