// What imports and exports share: a signal ends them early, and they leave a whole result or none.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"

namespace salf::convert {

// Room for what lies beside a model's tensors: tokenizer, code, headers.
inline constexpr std::uint64_t kOtherBytes = 32ULL << 20U;

// Throws a private type if a signal asked the process to stop. Call it within run_unless_stopped.
void check_stop();

// Runs `work` and turns LibTorch's exceptions into Error(kInternal) "SOURCE: ACTION failed: …", and
// bad_alloc into Error(kIo). Returns false if check_stop() ended it.
bool completes(const std::filesystem::path& source, const std::string& action,
    const std::function<void()>& work);

// The result of `work`; nothing if check_stop() ended it. Throws as completes().
template <class Work> auto run_unless_stopped(
    const std::filesystem::path& source, const std::string& action, const Work& work) {
  std::optional<decltype(work())> result;
  completes(source, action, [&] { result = work(); });
  return result;
}

// SHA-256 of the files' names and their hashes. Throws Error(kIo).
std::string hash_of_files(const std::vector<std::filesystem::path>& files);

// Throws Error(kBadModel) "PATH: PROBLEM".
[[noreturn]] void refuse_model(const std::filesystem::path& path, const std::string& problem);

// Calls `read`. Its Error(kBadInput) becomes Error(kBadModel): the file belongs to a model.
template <class Read> auto read_model_part(const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kBadInput) throw;
    throw Error(ErrorKind::kBadModel, error.what());
  }
}

// The files of a result in one folder. Without finish(), its destructor removes the new ones.
class NewFiles {
 public:
  explicit NewFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~NewFiles();
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  // The path at which the caller writes the file.
  std::filesystem::path add(const std::string& name);
  const std::set<std::string>& names() const { return names_; }
  // Removes the folder's files with one of these names that are not of this result.
  void remove_others(const std::vector<std::string>& names) const;
  void finish() { finished_ = true; }

 private:
  std::filesystem::path folder_;
  std::set<std::string> names_;
  std::vector<std::string> new_names_;
  bool finished_ = false;
};

}  // namespace salf::convert
