#include "train/step/weight_part.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "core/error.h"
#include "tensor/shapes.h"
#include "train/step/weights.h"

namespace salf::train {
namespace {

constexpr std::size_t kGathers = 3;  // under way at once

std::map<std::string, at::Tensor> by_name(const std::vector<tensor::NamedTensor>& tensors) {
  std::map<std::string, at::Tensor> found;
  for (const auto& named : tensors) found.emplace(named.name, named.tensor);
  return found;
}

}  // namespace

WeightPart::WeightPart(distributed::Group& ranks, const std::vector<model::Parameter>& trained,
    const std::vector<Piece>& pieces, std::shared_ptr<model::NarrowWeights> narrow)
    : ranks_(ranks), trained_(trained), pieces_(pieces), narrow_(std::move(narrow)) {
  const at::NoGradGuard quiet;
  for (std::size_t piece = 0; piece < pieces.size(); ++piece) {
    for (const Segment& segment : part_of(pieces[piece], ranks.rank(), ranks.size())) {
      const model::Parameter& parameter = trained[segment.place];
      const at::Tensor view = elements(parameter.tensor.detach(), segment);
      const bool apart = pieces[piece].by_copies && view.is_cpu();
      const at::Tensor weight = apart ? at::empty({segment.count}, view.options()) : view;
      ranges_.push_back({piece, segment, apart});
      weights_.push_back({std::to_string(segment.from) + "/" + parameter.name, {},
          parameter.tensor.dim() >= 2 ? weight.unsqueeze(0) : weight});
    }
  }
}

std::vector<at::Tensor> WeightPart::weights() const {
  std::vector<at::Tensor> tensors;
  for (const auto& weight : weights_) tensors.push_back(weight.tensor);
  return tensors;
}

void WeightPart::begin_update(const std::vector<at::Tensor>& gradients) {
  const at::NoGradGuard quiet;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const Segment& segment = ranges_[i].segment;
    const at::Tensor& weight = weights_[i].tensor;
    if (stale_ && ranges_[i].apart)
      weight.copy_(elements(trained_[segment.place].tensor.detach(), segment).view(weight.sizes()));
    if (!trained_[segment.place].tensor.requires_grad()) continue;
    weight.mutable_grad() =
        gradients[ranges_[i].piece].narrow(0, segment.at, segment.count).view(weight.sizes());
  }
  stale_ = false;
}

// This rank's part of a piece, as it can be sent. `next`: its first range, and afterwards the next
// one's.
at::Tensor WeightPart::packed(const std::vector<at::Tensor>& own, std::size_t piece,
    c10::ScalarType type, std::size_t& next) const {
  const auto options = trained_.front().tensor.options().requires_grad(false).dtype(type);
  const at::Tensor part = at::zeros({pieces_[piece].length / ranks_.size()}, options);
  for (; next < ranges_.size() && ranges_[next].piece == piece; ++next) {
    const Segment& segment = ranges_[next].segment;
    if (own[next].defined()) part.narrow(0, segment.at, segment.count).copy_(own[next].view({-1}));
  }
  return ranks_.sendable(part);
}

void WeightPart::gather(const std::vector<at::Tensor>& own, const TypeOf& type, const Take& take) {
  struct Gather {
    const Piece* piece = nullptr;
    at::Tensor part, all;
    distributed::Transfer transfer;
  };
  const at::NoGradGuard quiet;
  const c10::Device device = trained_.front().tensor.device();
  std::array<Gather, kGathers> gathers;
  std::size_t range = 0;
  for (std::size_t i = 0; i < pieces_.size() + kGathers; ++i) {
    Gather& one = gathers[i % kGathers];
    if (one.piece != nullptr) {
      one.transfer.wait();
      const at::Tensor all = one.all.to(device);
      for (const Segment& segment : one.piece->segments)
        take(*one.piece, segment, all.narrow(0, segment.at, segment.count));
      one.piece = nullptr;
    }
    if (i >= pieces_.size()) continue;
    while (range < ranges_.size() && ranges_[range].piece < i) ++range;
    const auto travels = type(pieces_[i]);
    if (!travels) continue;
    one.piece = &pieces_[i];
    one.part = packed(own, i, *travels, range);
    one.all = at::empty({pieces_[i].length}, one.part.options());
    one.transfer = ranks_.start_all_gather(one.all, one.part);
  }
}

void WeightPart::share_update() {
  const TypeOf type = [this](const Piece& piece) -> std::optional<c10::ScalarType> {
    return piece.by_copies ? narrow_->type() : piece.type;
  };
  std::vector<at::Tensor> copies;
  for (const auto& parameter : trained_)
    copies.push_back(narrow_ ? narrow_->to_write(parameter.tensor) : at::Tensor());
  gather(weights(), type, [&](const Piece& piece, const Segment& segment, const at::Tensor& new_) {
    const at::Tensor& parameter = trained_[segment.place].tensor;
    if (!piece.by_copies) elements(parameter.detach(), segment).copy_(new_);
    if (copies[segment.place].defined()) elements(copies[segment.place], segment).copy_(new_);
  });
  for (const auto& parameter : trained_) {
    if (narrow_) narrow_->written(parameter.tensor);
  }
}

void WeightPart::gather_weights() {
  if (stale_) return;  // they are current since somebody wrote them
  const TypeOf type = [](const Piece& piece) -> std::optional<c10::ScalarType> {
    if (!piece.by_copies) return std::nullopt;
    return piece.type;
  };
  gather(weights(), type, [&](const Piece&, const Segment& segment, const at::Tensor& new_) {
    elements(trained_[segment.place].tensor.detach(), segment).copy_(new_);
  });
  for (const auto& parameter : trained_) {
    if (narrow_) narrow_->written(parameter.tensor);
  }
}

// By parameter, how often it was updated; -1: it has no state.
std::vector<double> WeightPart::steps_of(const std::vector<tensor::NamedTensor>& own) {
  const auto found = by_name(own);
  std::vector<double> steps(trained_.size(), -1.0);
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const auto entry = found.find("step/" + weights_[i].name);
    if (entry != found.end()) steps[ranges_[i].segment.place] = entry->second.item<double>();
  }
  const std::vector<double> all = ranks_.all_gather(steps);
  for (std::size_t i = 0; i < all.size(); ++i)
    steps[i % steps.size()] = std::max(steps[i % steps.size()], all[i]);
  return steps;
}

std::vector<tensor::NamedTensor> WeightPart::state(const AdamW& optimizer,
    const std::string& prefix, const std::filesystem::path& folder, bool wanted) {
  const at::NoGradGuard quiet;
  const std::vector<tensor::NamedTensor> parts = optimizer.state("");
  const std::vector<double> steps = steps_of(parts);
  const auto found = by_name(parts);
  std::vector<tensor::NamedTensor> whole;
  const auto type = [](const Piece& piece) { return std::make_optional(piece.type); };
  for (const std::string kind : {"first/", "second/"}) {
    std::vector<at::Tensor> own, like, all(trained_.size());
    for (const auto& weight : weights_) {
      const auto entry = found.find(kind + weight.name);
      own.push_back(entry != found.end() ? entry->second : at::Tensor());
    }
    for (const auto& parameter : trained_) like.push_back(parameter.tensor);
    if (wanted) all = room_like(like, folder);
    gather(own, type, [&](const Piece&, const Segment& segment, const at::Tensor& moments) {
      if (wanted) elements(all[segment.place], segment).copy_(moments);
    });
    for (std::size_t place = 0; wanted && place < trained_.size(); ++place) {
      if (steps[place] >= 0.0) whole.push_back({prefix + kind + trained_[place].name, all[place]});
    }
  }
  for (std::size_t place = 0; wanted && place < trained_.size(); ++place) {
    if (steps[place] >= 0.0)
      whole.push_back(
          {prefix + "step/" + trained_[place].name, at::scalar_tensor(steps[place], at::kFloat)});
  }
  return whole;
}

void WeightPart::load_state(AdamW& optimizer, const std::vector<tensor::NamedTensor>& tensors,
    const std::string& prefix, std::int64_t steps) const {
  const auto found = by_name(tensors);
  std::vector<tensor::NamedTensor> parts;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const model::Parameter& parameter = trained_[ranges_[i].segment.place];
    for (const std::string kind : {"first/", "second/", "step/"}) {
      const auto entry = found.find(prefix + kind + parameter.name);
      if (entry == found.end()) continue;
      at::Tensor part = entry->second;
      if (kind != "step/") {
        if (part.sizes() != parameter.tensor.sizes()) {
          throw Error(ErrorKind::kBadInput,
              "checkpoint: " + entry->first + " has the wrong shape " + tensor::shape_text(part));
        }
        part = elements(part.contiguous(), ranges_[i].segment).view(weights_[i].tensor.sizes());
      }
      parts.push_back({kind + weights_[i].name, part});
    }
  }
  optimizer.load_state(parts, "", steps);
}

}  // namespace salf::train
