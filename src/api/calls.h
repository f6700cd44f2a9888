// What the public calls share.
#pragma once

#include <salf/salf.h>

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "app/session/session.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/rows/dataset.h"

namespace salf {

struct Session::Impl {
  data::DataOptions data;
  app::Session session;                  // an adapter stays beside the weights
  std::optional<app::Session> merged{};  // an adapter is part of the weights
  // The model that is measured: `session`, or `merged` where there is an adapter.
  const app::Session& whole();
};

}  // namespace salf

namespace salf::api {

// Shows progress to an observer, if there is one.
class ObservedProgress : public core::Progress {
 public:
  explicit ObservedProgress(Observer* observer)
      : observer_(observer != nullptr ? *observer : nobody_) {}
  void begin(const std::string& what, std::int64_t total, const std::string& unit) override {
    observer_.begin(what, total, unit);
  }
  void update(std::int64_t done, const std::string& note) override { observer_.update(done, note); }
  void end() override { observer_.end(); }

 private:
  Observer nobody_;
  Observer& observer_;
};

// Options of several groups as the members of one JSON object.
template <class... Groups> struct Together {
  std::tuple<Groups&...> groups;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    std::apply([&visit](auto&... group) { (fields_of(group, visit), ...); }, self.groups);
  }
  template <class Group, class Visitor> static void fields_of(Group& group, Visitor& visit) {
    Group::fields(group, visit);
  }
};

// Throws Error(kUsage) if there are problems.
void refuse(const std::string& call, const std::vector<std::string>& problems);

// Sets what `more` names, and checks the range of every value. Throws Error(kBadInput) and
// Error(kUsage).
template <class... Groups>
void complete(const std::string& call, const std::string& more, Groups&... groups) {
  Together<Groups...> all{{groups...}};
  const std::string where = call + ": more";
  if (!more.empty()) core::from_json(core::parse_json(more, where), where, all);
  refuse(call, core::range_problems(all));
}

// Throws Stopped if there is none.
template <class T> T unless_stopped(std::optional<T> result) {
  if (!result) throw Stopped();
  return std::move(*result);
}

template <class Document> std::string document_text(const Document& document) {
  return core::format_json(core::document_json(document));
}

}  // namespace salf::api
