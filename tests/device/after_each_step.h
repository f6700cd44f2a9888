// What a training run on the fake device had come to after each step.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "core/progress.h"

namespace salf::testing {

template <class Value> class AfterEachStep : public core::Progress {
 public:
  explicit AfterEachStep(std::function<Value()> look) : look_(std::move(look)) {}
  void begin(const std::string& what, std::int64_t, const std::string&) override {
    training_ = what == "training";
  }
  void update(std::int64_t done, const std::string&) override {
    if (training_) after_[done] = look_();
  }
  const Value& after(std::int64_t step) const { return after_.at(step); }

 private:
  std::function<Value()> look_;
  bool training_ = false;
  std::map<std::int64_t, Value> after_;
};

}  // namespace salf::testing
