#include "app/session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "train/training_setup.h"

namespace salf::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A session on a traced model of the golden files, and rows that it has not yet.
struct TracedSession {
  explicit TracedSession(const std::string& name)
      : session{{}, {}, "", "", c10::Device(c10::kCPU), nullptr, nullptr, std::nullopt, "", {},
            nullptr},
        rows(session) {
    session.model = std::make_shared<model::ScriptModel>(model::ScriptModel::load(
        std::filesystem::path(SALF_TEST_DATA) / "traces" / (name + ".pt"), session.device));
    session.graph.emplace(*session.model, "");
    rows.dataset = std::make_shared<data::Dataset>(train::make_dataset(20, 1));
  }

  std::string packed() {
    rows.batch = {64, 32};
    try {
      share_data(session, rows);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadModel);
      return error.what();
    }
    return "";
  }

  Session session;
  Session rows;
};

TEST(Session, RefusesToPackWhereDocumentsWouldSeeEachOther) {
  EXPECT_THAT(TracedSession("gemma2-eager-mask").packed(),
      AllOf(HasSubstr("--pack is not possible"), HasSubstr("leave --pack out")));
  EXPECT_EQ(TracedSession("gemma2-sdpa").packed(), "");
  EXPECT_EQ(TracedSession("gpt2-sdpa").packed(), "");
}

}  // namespace
}  // namespace salf::app
