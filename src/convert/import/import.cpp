#include "convert/import/import.h"

#include "convert/hugging_face/hf_config.h"
#include "core/error.h"
#include "core/log.h"

namespace salf::convert {

std::optional<ImportResult> import_model(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  const std::string shown = core::printable_path(source);
  if (!std::filesystem::exists(source))
    throw Error(ErrorKind::kIo, shown + ": no such file or directory");
  if (std::filesystem::is_directory(source))
    return import_hugging_face(source, directory, progress, overwrite);
  const std::string name = source.filename().string();
  if (source.extension() == ".safetensors" || name == kConfigFile || name == kWeightsIndex)
    throw Error(
        ErrorKind::kUsage, shown + ": give the directory that holds config.json and the weights");
  return import_gguf(source, directory, progress, overwrite);
}

}  // namespace salf::convert
