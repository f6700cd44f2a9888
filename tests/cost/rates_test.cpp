#include "cost/rates.h"

#include "cost/energy.h"
#include "cost/money.h"
#include "support/sample_documents.h"
#include "types/budget.h"

namespace salf::cost {
namespace {

using support::expect_error;
using types::parse_budget;

MachineFacts laptop() { return {"Some Processor", 4, ""}; }

types::Rates rates(double watts, std::optional<double> per_hour, std::optional<double> per_kwh) {
  types::Rates rates;
  rates.watts = watts;
  rates.watts_basis = "as given";
  rates.gco2_per_kwh = 400.0;
  rates.price_per_hour = per_hour;
  rates.price_per_kwh = per_kwh;
  rates.currency = "USD";
  return rates;
}

TEST(Footprint, FollowsFromWattsFactorAndPrices) {
  const types::Footprint taken = footprint(rates(100.0, 2.0, 0.5), 7200.0);
  EXPECT_DOUBLE_EQ(taken.energy_joules.value(), 720000.0);  // 0.2 kWh
  EXPECT_EQ(taken.source, types::FigureSource::kEstimated);
  EXPECT_DOUBLE_EQ(taken.gco2.value(), 80.0);
  EXPECT_DOUBLE_EQ(taken.money.value(), 4.0 + 0.1);
  EXPECT_EQ(taken.currency, "USD");
  EXPECT_FALSE(footprint(rates(100.0, {}, {}), 7200.0).money.has_value());
}

TEST(Footprint, IsMeasuredOnlyWhereTheMeterSawAllOfIt) {
  const types::Rates hundred = rates(100.0, {}, {});
  const types::Footprint all = footprint(hundred, 100.0, MeasuredEnergy{5000.0, 99.5, "a meter"});
  EXPECT_EQ(all.source, types::FigureSource::kMeasured);
  EXPECT_DOUBLE_EQ(all.energy_joules.value(), 5000.0);
  EXPECT_EQ(all.energy_basis, "a meter");
  const types::Footprint half = footprint(hundred, 100.0, MeasuredEnergy{5000.0, 50.0, "a meter"});
  EXPECT_EQ(half.source, types::FigureSource::kEstimated);
  EXPECT_DOUBLE_EQ(half.energy_joules.value(), 5000.0 + 50.0 * 100.0);
  EXPECT_THAT(half.energy_basis,
      ::testing::AllOf(::testing::HasSubstr("50 s of"), ::testing::HasSubstr("100 W")));
}

TEST(Footprint, SaysNothingOfWhatIsNotKnown) {
  const types::Footprint taken = footprint(rates(0.0, 2.0, {}), 3600.0);
  EXPECT_FALSE(taken.energy_joules || taken.gco2);
  EXPECT_DOUBLE_EQ(taken.money.value(), 2.0);
  EXPECT_FALSE(footprint(rates(0.0, 2.0, 0.1), 3600.0).money.has_value());
  EXPECT_DOUBLE_EQ(
      footprint(rates(0.0, {}, {}), 10.0, MeasuredEnergy{70.0, 10.0, "NVML"}).energy_joules.value(),
      70.0);
}

TEST(BudgetSeconds, OfEnergyAndMoney) {
  EXPECT_DOUBLE_EQ(resolve_budget(parse_budget("90s"), rates(100.0, {}, {})).clock_seconds(), 90.0);
  EXPECT_DOUBLE_EQ(
      resolve_budget(parse_budget("0.1kWh"), rates(100.0, {}, {})).clock_seconds(), 3600.0);
  EXPECT_DOUBLE_EQ(
      resolve_budget(parse_budget("5USD"), rates(100.0, 2.5, {})).clock_seconds(), 7200.0);
  EXPECT_DOUBLE_EQ(
      resolve_budget(parse_budget("1USD"), rates(100.0, {}, 0.5)).clock_seconds(), 72000.0);
  EXPECT_DOUBLE_EQ(
      resolve_budget(parse_budget("1USD"), rates(1000.0, 0.5, 0.5)).clock_seconds(), 3600.0);
  EXPECT_DOUBLE_EQ(
      resolve_budget(parse_budget("50steps"), rates(100.0, {}, {})).clock_seconds(), 0.0);
}

TEST(BudgetSeconds, RefusesMoneyWithoutAPriceInItsCurrency) {
  expect_error(ErrorKind::kUsage, {"5EUR", "no price in EUR", "--price-per-hour", "--country"},
      [] { resolve_budget(parse_budget("5EUR"), rates(100.0, {}, {})); });
  expect_error(ErrorKind::kUsage, {"5EUR", "in USD", "exchange"},
      [] { resolve_budget(parse_budget("5EUR"), rates(100.0, 1.0, {})); });
  expect_error(ErrorKind::kUsage, {"never ends"},
      [] { resolve_budget(parse_budget("5USD"), rates(100.0, 0.0, {})); });
  expect_error(ErrorKind::kUsage, {"--watts"},
      [] { resolve_budget(parse_budget("5Wh"), rates(0.0, {}, {})); });
}

// The clock that enforces such budgets: it runs as fast as the joules do.
TEST(SpentSeconds, FollowTheMeter) {
  const types::Rates mixed = rates(100.0, 3.6, 3.6);  // a second costs 0.001 + 0.0001
  EXPECT_DOUBLE_EQ(spent_seconds(parse_budget("1Wh"), mixed, 10.0, 2000.0), 20.0);
  EXPECT_DOUBLE_EQ(spent_seconds(parse_budget("1Wh"), mixed, 10.0, std::nullopt), 10.0);
  EXPECT_DOUBLE_EQ(spent_seconds(parse_budget("90s"), mixed, 10.0, 2000.0), 10.0);
  EXPECT_NEAR(spent_seconds(parse_budget("1USD"), mixed, 10.0, 1000.0), 10.0, 1e-12);
  EXPECT_NEAR(
      spent_seconds(parse_budget("1USD"), mixed, 10.0, 2000.0), 10.0 * (1.0 + 0.2) / 1.1, 1e-12);
}

TEST(RatesOfRanks, CountAMachineOnce) {
  const types::Rates each = rates(100.0, 2.0, 0.5);
  const std::vector<RankRates> ranks{{each, true}, {each, false}, {each, true}};
  const types::Rates given = sum_of_ranks(ranks, /*watts_given=*/true);
  EXPECT_DOUBLE_EQ(given.watts, 200.0) << "said of a machine";
  EXPECT_DOUBLE_EQ(given.price_per_hour.value(), 4.0);
  EXPECT_DOUBLE_EQ(given.price_per_kwh.value(), 0.5);
  EXPECT_EQ(given.watts_basis, "3 ranks on 2 machines: as given");
  EXPECT_DOUBLE_EQ(sum_of_ranks(ranks, false).watts, 300.0) << "each rank's own threads";
  types::Budget budget = parse_budget("100USD");
  budget = resolve_budget(budget, given);
  EXPECT_DOUBLE_EQ(budget.seconds, 100.0 / ((4.0 + 0.5 * 0.2) / 3600.0));
}

TEST(RatesOfRanks, AreNotKnownWhereThoseOfOneAreNot) {
  const types::Rates sum = sum_of_ranks(
      {{rates(100.0, {}, {}), true}, {rates(0.0, {}, {}), true}}, /*watts_given=*/false);
  EXPECT_DOUBLE_EQ(sum.watts, 0.0);
  EXPECT_FALSE(sum.price_per_hour.has_value());
}

TEST(MakeRates, TakesWhatIsGivenBeforeTheTables) {
  RateOptions options;
  options.watts = 55.0;
  options.country = "DE";
  const types::Rates germany = make_rates(options, laptop(), {});
  EXPECT_DOUBLE_EQ(germany.watts, 55.0);
  EXPECT_EQ(germany.currency, "EUR");
  EXPECT_GT(germany.price_per_kwh.value(), 0.1);
  EXPECT_THAT(germany.price_basis, ::testing::HasSubstr("Eurostat"));
  EXPECT_DOUBLE_EQ(germany.gco2_per_kwh.value(), 381.0);
  options.grid_gco2_per_kwh = 20.0;
  options.price_per_hour = 1.5;
  options.currency = "CZK";
  const types::Rates own = make_rates(options, laptop(), {});
  EXPECT_DOUBLE_EQ(own.gco2_per_kwh.value(), 20.0);
  EXPECT_DOUBLE_EQ(own.price_per_hour.value(), 1.5);
  EXPECT_FALSE(own.price_per_kwh.has_value());
  EXPECT_EQ(own.currency, "CZK");
}

TEST(MakeRates, WithoutACountryThereIsTheWorldsFactorAndNoPrice) {
  const types::Rates world = make_rates({}, laptop(), {});
  EXPECT_FALSE(world.priced());
  EXPECT_DOUBLE_EQ(world.gco2_per_kwh.value(), 481.0);
  EXPECT_THAT(world.gco2_basis, ::testing::HasSubstr("world"));
}

TEST(MakeRates, ABudgetSaysTheCurrencyOfAPrice) {
  RateOptions options;
  options.price_per_hour = 2.0;
  EXPECT_EQ(make_rates(options, laptop(), parse_budget("7 CZK")).currency, "CZK");
  expect_error(ErrorKind::kUsage, {"--currency"},
      [&] { make_rates(options, laptop(), parse_budget("2h")); });
}

TEST(MakeRates, RefusesWhatItDoesNotKnow) {
  RateOptions options;
  options.country = "XX";
  expect_error(ErrorKind::kUsage, {"--country XX", "--grid-gco2-per-kwh", "DE"},
      [&] { make_rates(options, laptop(), {}); });
  options = {};
  options.rented = "aws:nothing";
  expect_error(ErrorKind::kUsage, {"aws:nothing", "aws:g5.xlarge"},
      [&] { make_rates(options, laptop(), {}); });
  options = {};
  options.rented = "aws:g5.xlarge";
  options.currency = "EUR";
  expect_error(
      ErrorKind::kUsage, {"--currency EUR", "USD"}, [&] { make_rates(options, laptop(), {}); });
  options.currency = "euro";
  options.country = "Germany";
  options.price_per_hour = 1.0;
  EXPECT_EQ(options.problems().size(), 3U);
  EXPECT_TRUE(RateOptions{}.problems().empty());
}

TEST(StatedWatts, AreSharedOverTheProcessorsThreads) {
  const HardwareTable table = read_hardware("");
  EXPECT_DOUBLE_EQ(
      stated_watts(table, {"AMD EPYC 7763 64-Core Processor", 2, ""}).watts, 280.0 * 2.0 / 128.0);
  EXPECT_DOUBLE_EQ(stated_watts(table, {"AMD EPYC 7763 64-Core Processor", 500, ""}).watts, 280.0);
  EXPECT_DOUBLE_EQ(stated_watts(table, {"AMD EPYC", 2, ""}).watts, 2.0 * table.watts_per_thread);
  EXPECT_GT(stated_watts(table, {"AMD EPYC", 2, "NVIDIA H100 80GB HBM3"}).watts, 700.0);
  EXPECT_DOUBLE_EQ(stated_watts(table, {"AMD EPYC", 1, "NVIDIA H100 PCIe"}).watts,
      350.0 + table.watts_per_thread);
  const StatedWatts unknown = stated_watts(table, {"AMD EPYC", 2, "NVIDIA Old"});
  EXPECT_DOUBLE_EQ(unknown.watts, 0.0);
  EXPECT_THAT(unknown.basis,
      ::testing::AllOf(::testing::HasSubstr("NVIDIA Old"), ::testing::HasSubstr("--watts")));
}

TEST(MeasuredWatts, ReplaceTheStatedOnes) {
  const types::Rates measured = with_measured_watts(rates(100.0, {}, {}), 300.0, 10.0, "RAPL");
  EXPECT_DOUBLE_EQ(measured.watts, 30.0);
  EXPECT_EQ(measured.watts_source, types::FigureSource::kMeasured);
  EXPECT_DOUBLE_EQ(with_measured_watts(rates(100.0, {}, {}), 0.0, 10.0, "RAPL").watts, 100.0);
}

}  // namespace
}  // namespace salf::cost
