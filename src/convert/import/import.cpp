#include "convert/import/import.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/frontend/error_report.h>

#include <new>

#include "convert/hugging_face/hf_config.h"
#include "convert/import/import_sources.h"
#include "core/error.h"
#include "core/log.h"

namespace salf::convert {
namespace {

template <class Importer>
std::optional<ImportResult> imported(
    const std::filesystem::path& source, const Importer& importer) {
  try {
    return importer();
  } catch (const ImportStopped&) {
    return std::nullopt;
  } catch (const c10::Error& error) {
    throw Error(
        ErrorKind::kInternal, core::printable_path(source) +
                                  ": building the model failed: " + error.what_without_backtrace());
  } catch (const torch::jit::ErrorReport& error) {
    throw Error(ErrorKind::kInternal,
        core::printable_path(source) + ": the program does not compile: " + error.what());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kIo,
        core::printable_path(source) + ": not enough memory for the model's float32 weights");
  }
}

}  // namespace

std::optional<ImportResult> import_gguf(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  return imported(source, [&] { return import_gguf_file(source, directory, progress, overwrite); });
}

std::optional<ImportResult> import_hugging_face(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  return imported(source, [&] { return import_directory(source, directory, progress, overwrite); });
}

std::optional<ImportResult> import_model(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  if (!std::filesystem::exists(source)) {
    throw Error(ErrorKind::kIo, core::printable_path(source) + ": no such file or directory");
  }
  if (std::filesystem::is_directory(source))
    return import_hugging_face(source, directory, progress, overwrite);
  const std::string name = source.filename().string();
  if (source.extension() == ".safetensors" || name == kConfigFile ||
      name == "model.safetensors.index.json") {
    throw Error(
        ErrorKind::kUsage, core::printable_path(source) +
                               ": give the directory that holds config.json and the weights");
  }
  return import_gguf(source, directory, progress, overwrite);
}

}  // namespace salf::convert
