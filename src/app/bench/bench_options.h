// What a bench compares, on what, and for how long.
#pragma once

#include "app/session/lora_options.h"
#include "app/session/model_options.h"
#include "calibration/calibrate.h"
#include "core/fields.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "train/run/train_options.h"

namespace salf::app {

struct BenchOptions {
  ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  calibration::CalibrationOptions calibration;
  train::TrainOptions train;
  std::vector<std::string> arms{"plan", "full", "half"};
  std::vector<double> minutes{2.0};
  std::int64_t seeds = 1;
  std::vector<double> rates;  // empty: the rule's rate alone
  std::string lora = kUsualLora;
  std::string prior;  // "": the built-in one
  std::int64_t redraw = 10;
  std::int64_t test_documents = 0;
  std::int64_t dev_documents = 64;
  std::string name;  // "": the data file's name
  std::string output = "bench";

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    calibration::CalibrationOptions::fields(self.calibration, visit);
    train::TrainOptions::fields(self.train, visit);
    core::begin_group(visit, "Arms");
    visit(Field{"arms",
              "plan, full, half, cut:N, last:N, first:N, middle:N, random:N, lisa:N or lora:N; "
              "once for each arm"}
              .common(),
        self.arms);
    visit(Field{"minutes",
              "budget of each arm on the virtual clock; once for each: the shorter ones cool "
              "down on the way of the longest"}
              .common()
              .range(1e-3, 1e6),
        self.minutes);
    visit(Field{"seeds", "runs of each arm, from --seed on"}.common().range(1, 1000), self.seeds);
    visit(Field{"rates",
              "times the rule's learning rate; with several, each arm takes the best on dev at a "
              "quarter of the longest "
              "budget (the plan the rule's)"}
              .common()
              .range(1e-3, 1e3),
        self.rates);
    visit(Field{"lora", "what the arms lora:N add: r=16,alpha=32,targets=all-linear"}.common(),
        self.lora);
    visit(
        Field{"prior",
            "JSON file like configs/prior.json that the plan rests on instead of the built-in one"},
        self.prior);
    visit(Field{"redraw", "steps after which lisa draws its blocks again"}.range(1, 1e6),
        self.redraw);
    visit(
        Field{"test_documents", "test documents that are scored, drawn by the seed; 0: all"}.range(
            0, 1e9),
        self.test_documents);
    visit(Field{"dev_documents", "dev documents of an evaluation during a run"}.range(0, 1e9),
        self.dev_documents);
    visit(Field{"name", "what the rows call the data; \"\": the file's name"}, self.name);
    visit(Field{"output",
              "folder: bench.json, losses/; an earlier bench there goes on where it stopped"}
              .common(),
        self.output);
  }

  std::vector<std::string> problems() const;
};

}  // namespace salf::app
