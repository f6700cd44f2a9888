// The tables in configs/ can be read, and one that is damaged is refused by its place.
#include <fstream>
#include <set>

#include "core/json.h"
#include "cost/energy.h"
#include "cost/hardware.h"
#include "cost/money.h"
#include "own_folder.h"
#include "support/sample_documents.h"

namespace salf::cost {
namespace {

using support::expect_error;

const std::string kConfigs = SALF_CONFIGS;

TEST(Tables, TheProgramHoldsTheFilesInConfigs) {
  EXPECT_EQ(
      core::to_json(read_hardware("")), core::to_json(read_hardware(kConfigs + "/hardware.json")));
  EXPECT_EQ(core::to_json(read_prices("")), core::to_json(read_prices(kConfigs + "/prices.json")));
  EXPECT_EQ(core::to_json(read_grid("")), core::to_json(read_grid(kConfigs + "/grid.json")));
}

TEST(Tables, EveryEntryHasItsSourceAndDateAndStandsOnce) {
  std::set<std::string> seen;
  for (const auto& device : read_hardware("").devices) {
    EXPECT_NE(device.source, "") << device.match;
    EXPECT_TRUE(seen.insert(device.match).second) << device.match;
  }
  for (const auto& price : read_prices("").per_kwh) {
    EXPECT_NE(price.source, "");
    EXPECT_NE(price.date, "");
    EXPECT_TRUE(seen.insert(price.country).second) << price.country;
  }
  for (const auto& price : read_prices("").per_hour) {
    EXPECT_NE(price.source, "");
    EXPECT_TRUE(seen.insert(price.name).second) << price.name;
  }
  std::set<std::string> countries;
  for (const auto& factor : read_grid("").factors)
    EXPECT_TRUE(countries.insert(factor.country).second) << factor.country;
  EXPECT_NE(read_grid("").source, "");
}

TEST(Tables, RefuseWhatIsNoTable) {
  const OwnFolder folder;
  const std::string file = (folder.path() / "table.json").string();
  const auto write = [&file](const std::string& text) { std::ofstream(file) << text; };
  expect_error(ErrorKind::kIo, {file}, [&] { read_hardware(file); });
  write("");
  expect_error(ErrorKind::kBadInput, {file}, [&] { read_prices(file); });
  write(R"({"schema": "salf.grid/2", "factors": []})");
  expect_error(ErrorKind::kBadInput, {file, "newer"}, [&] { read_grid(file); });
  write(R"({"schema": "salf.grid/1", "factors": [{"country": "DE", "gco2_per_kwh": -1}]})");
  expect_error(ErrorKind::kBadInput, {file, "gco2_per_kwh"}, [&] { read_grid(file); });
  write(
      R"({"schema": "salf.hardware/1", "watts_per_thread": 3, "devices": [{"match": "", "watts": 3}]})");
  expect_error(ErrorKind::kBadInput, {file, "devices[0].match"}, [&] { read_hardware(file); });
  write(
      R"({"schema": "salf.hardware/1", "watts_per_thread": 3, "devices": [{"match": "x", "kind": "tpu", "watts": 3}]})");
  expect_error(
      ErrorKind::kBadInput, {file, "devices[0].kind", "tpu"}, [&] { read_hardware(file); });
  write(R"({"schema": "salf.prices/1", "per_kwh": [{"country": "DE", "price": "0.3"}]})");
  expect_error(
      ErrorKind::kBadInput, {file, "per_kwh[0].price", "a number"}, [&] { read_prices(file); });
}

}  // namespace
}  // namespace salf::cost
