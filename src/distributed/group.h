// The ranks that share a command's work, and what they send one another. One rank has no
// connection, and every call returns at once.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "distributed/launch.h"

namespace salf::distributed {

class Watch;

// Something under way. Its tensors may not be touched before it has ended.
class Transfer {
 public:
  class Parts;
  // One that has ended.
  Transfer();
  explicit Transfer(std::unique_ptr<Parts> parts);
  Transfer(Transfer&&) noexcept;
  Transfer& operator=(Transfer&&) noexcept;
  ~Transfer();

  bool done() const;
  // Throws as a Group does.
  void wait();

 private:
  std::unique_ptr<Parts> parts_;
};

// All ranks make the same calls in the same order; transfers that were started count where they
// start. Tensors are contiguous and on the CPU, or sendable(). Sums are taken in the order of the
// ranks, so that they are the same on each, and those of one process that adds the same numbers in
// that order.
//
// A call throws Error, of the kind that the failing rank had, once one has failed, has ended, is
// silent for the time-out, or is waited for that long; the message names the rank and its host.
// The group is of no use then.
class Group {
 public:
  // One rank.
  Group();
  // Waits for all ranks. Throws Error(kIo) that names those which have not started in time.
  // `timeout`: seconds. Of several ranks, the process ignores SIGPIPE from then on.
  Group(const Launch& launch, double timeout);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  std::int64_t rank() const { return launch_.rank; }
  std::int64_t size() const { return launch_.size; }
  std::int64_t local_rank() const { return launch_.local_rank; }
  bool alone() const { return launch_.size == 1; }
  // Whether the launcher started the ranks again after a failure.
  bool restarted() const { return launch_.attempt != "0"; }
  // Whether this is the rank that decides, writes and prints.
  bool leads() const { return launch_.rank == 0; }
  // Ranks on this machine that may use the same cores, this one included.
  std::int64_t sharing_cores() const { return sharing_cores_; }

  // All ranks. Tensors on this GPU travel by NCCL from now on, where every rank can: the reason is
  // logged where one cannot. A second call does nothing.
  void use_device(c10::Device device);
  // The tensor itself, or a copy on the host where tensors of its device do not travel.
  at::Tensor sendable(const at::Tensor& tensor) const;
  // Whether transfers of this device's tensors, of all kinds, are carried out in the order in which
  // they start. All ranks have to start them in one order then.
  bool in_one_order(c10::Device device) const;

  // Writes the tensor.
  void all_reduce(const at::Tensor& tensor);
  void broadcast(const at::Tensor& tensor, std::int64_t from = 0);
  // `part` [n…] of each rank, by rank, into `all` [size · n…].
  void all_gather(const at::Tensor& all, const at::Tensor& part);
  // `text` of rank 0.
  std::string broadcast(const std::string& text);
  // Everybody's, by rank.
  std::vector<std::string> all_gather(const std::string& text);
  // As many numbers of each rank, one rank's after another's.
  std::vector<double> all_gather(const std::vector<double>& numbers);
  void barrier();

  // `parts` [size · n] has a part for each rank; `received` [size · n] gets the parts for this one,
  // by rank of their origin.
  Transfer start_exchange(const at::Tensor& received, const at::Tensor& parts);
  // As all_gather. Exchanges and gathers may overtake one another on the CPU.
  Transfer start_all_gather(const at::Tensor& all, const at::Tensor& part);

  // This rank has got on with its work. Who does not for the time-out, while others wait for it,
  // has failed.
  void works();

  // While it lives, this rank may be at one piece of its work for ten times the time-out, or for
  // `seconds`. `what`: "saving", for the error of those who then waited too long. `group`: null of
  // one process.
  class LongWork {
   public:
    LongWork(Group* group, const std::string& what, double seconds = 0.0);
    ~LongWork();
    LongWork(const LongWork&) = delete;
    LongWork& operator=(const LongWork&) = delete;

   private:
    Watch* watch_;  // null of one rank
  };

  // Tells the others why this rank fails, unless another one failed before.
  void fail(int kind, const std::string& message);

 private:
  friend class Transfer;
  struct Parts;
  struct Formed;

  std::string first_problem(const std::string& own);
  std::string try_nccl(c10::Device device);

  static Formed form(const Launch& launch, double timeout);
  static Formed form_in_time(const Launch& launch, double timeout);

  Launch launch_;
  double timeout_ = 0.0;
  std::int64_t sharing_cores_ = 1;
  std::unique_ptr<Parts> parts_;  // null of one rank
};

// Σ over `received` [size · n], in the order of the ranks, into `sum` [n].
void sum_parts(const at::Tensor& sum, const at::Tensor& received, std::int64_t ranks);

}  // namespace salf::distributed
