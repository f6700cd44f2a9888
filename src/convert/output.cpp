#include "convert/output.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/frontend/error_report.h>

#include <new>
#include <system_error>

#include "core/hash.h"
#include "core/log.h"
#include "core/signals.h"

namespace salf::convert {
namespace {

struct Stopped {};

}  // namespace

void check_stop() {
  if (core::stop_signal() != 0) throw Stopped();
}

bool completes(const std::filesystem::path& source, const std::string& action,
    const std::function<void()>& work) {
  const std::string name = core::printable_path(source);
  try {
    work();
    return true;
  } catch (const Stopped&) {
    return false;
  } catch (const c10::Error& error) {
    throw Error(
        ErrorKind::kInternal, name + ": " + action + " failed: " + error.what_without_backtrace());
  } catch (const torch::jit::ErrorReport& error) {
    throw Error(ErrorKind::kInternal, name + ": the program does not compile: " + error.what());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kIo, name + ": not enough memory for the model's float32 weights");
  }
}

std::string hash_of_files(const std::vector<std::filesystem::path>& files) {
  core::Sha256 all;
  for (const std::filesystem::path& file : files)
    all.update(file.filename().string() + " " + core::sha256_file(file) + "\n");
  return all.hex();
}

void refuse_model(const std::filesystem::path& path, const std::string& problem) {
  throw Error(ErrorKind::kBadModel, core::printable_path(path) + ": " + problem);
}

NewFiles::~NewFiles() {
  if (finished_) return;
  std::error_code ignored;
  for (const std::string& name : new_names_) std::filesystem::remove(folder_ / name, ignored);
}

std::filesystem::path NewFiles::add(const std::string& name) {
  std::filesystem::path path = folder_ / name;
  if (!std::filesystem::exists(path)) new_names_.push_back(name);
  names_.insert(name);
  return path;
}

void NewFiles::remove_others(const std::vector<std::string>& names) const {
  std::error_code ignored;  // a file that stays is seen when it is read
  for (const std::string& name : names) {
    if (names_.count(name) == 0) std::filesystem::remove(folder_ / name, ignored);
  }
}

}  // namespace salf::convert
