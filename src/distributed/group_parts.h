// What a Group of several ranks is made of.
#pragma once

#include <memory>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "core/error.h"
#include "distributed/group.h"
#include "distributed/watch.h"

namespace salf::distributed {

using Gloo = c10d::ProcessGroupGloo;

struct Group::Parts {
  std::unique_ptr<Store> store;
  std::unique_ptr<Watch> watch;
  // Each has an order of its own, so that one kind of transfers may overtake the other.
  c10::intrusive_ptr<Gloo> main, exchange, gather;
  c10::intrusive_ptr<c10d::Backend> nccl;  // for all kinds; null: tensors of GPUs do not travel
  bool asked_nccl = false, failed = false;

  bool takes(c10::Device device) const { return device.is_cpu() || nccl; }

  at::Tensor as_bytes(const at::Tensor& tensor) const {
    if (!tensor.is_contiguous() || !takes(tensor.device())) {
      throw Error(ErrorKind::kInternal,
          "ranks cannot send one another this tensor on " + tensor.device().str() +
              (tensor.is_contiguous() ? "" : ", which is not contiguous"));
    }
    return tensor.view({-1}).view(at::kByte);
  }

  // `gloo` of the kind of transfer, or what takes its place for the tensor's device.
  c10d::Backend& by(const c10::intrusive_ptr<Gloo>& gloo, const at::Tensor& tensor) const {
    if (tensor.is_cpu()) return *gloo;
    return *nccl;
  }
};

}  // namespace salf::distributed
