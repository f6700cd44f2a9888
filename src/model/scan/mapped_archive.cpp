#include "model/scan/mapped_archive.h"

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/serialization/import_read.h>
#include <torch/csrc/jit/serialization/storage_context.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "model/scan/archive_scan.h"
#include "tensor/device.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr const char* kObjects = "data";  // data.pkl, and data/KEY for its storages
constexpr std::size_t kAlignment = 8;     // of the widest element
// Members can be shared, so that few bytes could describe endless paths.
constexpr std::size_t kMostMembers = 1'000'000;

// The local header of a record of a zip file: its method stands 8 bytes after its beginning. 0:
// stored as it is.
bool is_stored(const core::MappedFile& file, std::uint64_t header) {
  constexpr std::uint64_t kMethod = 8;
  if (header > file.size() || file.size() - header < kMethod + 2) return false;
  return file.data()[header + kMethod] == 0 && file.data()[header + kMethod + 1] == 0;
}

// A record that lies in the file as it is and well aligned is used in place; others are read.
c10::Storage storage_of(const core::MappedFile& file,
    caffe2::serialize::PyTorchStreamReader& reader, const std::string& record) {
  const std::uint64_t bytes = reader.getRecordSize(record);
  const std::uint64_t offset = reader.getRecordOffset(record);
  const bool inside = offset <= file.size() && bytes <= file.size() - offset;
  const std::uint64_t header = reader.getRecordHeaderOffset(record);
  if (inside && offset % kAlignment == 0 && is_stored(file, header)) {
    void* const place = const_cast<std::uint8_t*>(file.data() + offset);
    return c10::Storage(
        c10::Storage::use_byte_size_t(), bytes, at::DataPtr(place, c10::kCPU), nullptr, false);
  }
  auto [copy, size] = reader.getRecord(record);
  return c10::Storage(c10::Storage::use_byte_size_t(), size, std::move(copy), nullptr, false);
}

// Each object becomes one of a class without methods whose only member is the dictionary that was
// saved.
class ObjectReader {
 public:
  ObjectReader(const core::MappedFile& file, const std::string& path) : reader_(path) {
    const std::string folder = std::string(kObjects) + "/";
    for (const std::string& record : reader_.getAllRecords()) {
      if (record.compare(0, folder.size(), folder) != 0) continue;
      storages_->addStorage(record.substr(folder.size()), storage_of(file, reader_, record));
    }
  }

  at::IValue read() {
    const auto resolve = [this](const c10::QualifiedName& name) {
      return c10::StrongTypePtr(unit_, class_of(name));
    };
    const auto load = [](const at::StrongTypePtr& type, const at::IValue& state) {
      auto object = c10::ivalue::Object::create(type, 1);
      object->setSlot(0, state);
      return object;
    };
    return jit::readArchiveAndTensors(kObjects, "", std::string(kObjects) + "/", resolve, load,
        c10::Device(c10::kCPU), reader_, jit::Unpickler::defaultTypeParser, storages_);
  }

 private:
  c10::ClassTypePtr class_of(const c10::QualifiedName& name) {
    c10::ClassTypePtr& known = classes_[name.qualifiedName()];
    if (known == nullptr) {
      known = c10::ClassType::create(name, unit_, /*is_module=*/true);
      known->addAttribute("state", c10::AnyType::get());
    }
    return known;
  }

  caffe2::serialize::PyTorchStreamReader reader_;
  std::shared_ptr<jit::CompilationUnit> unit_ = std::make_shared<jit::CompilationUnit>();
  std::map<std::string, c10::ClassTypePtr> classes_;
  std::shared_ptr<jit::DeserializationStorageContext> storages_ =
      std::make_shared<jit::DeserializationStorageContext>();
};

}  // namespace

struct MappedArchive::Contents {
  Contents(const std::filesystem::path& archive, core::MapAccess access)
      : path(core::printable_path(archive)), file(archive, access) {
    try {
      const at::IValue root = ObjectReader(file, archive.string()).read();
      if (!root.isObject()) fail("expected a module, got " + root.tagKind());
      class_name = root.toObjectRef().type()->name()->qualifiedName();
      add_members(root, "");
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {  // c10::Error, and what the type parser throws
      fail("not a TorchScript archive that can be read: " +
           core::printable(tensor::error_text(error)));
    }
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorKind::kBadModel, path + ": " + problem);
  }

  // REQUIRES: the scan has passed, so that objects are not nested deeply.
  void add_members(const at::IValue& object, const std::string& prefix) {
    const at::IValue& state = object.toObjectRef().getSlot(0);
    if (!state.isGenericDict()) return;
    for (const auto& entry : state.toGenericDict()) {
      if (!entry.key().isString()) continue;
      if (++members > kMostMembers) fail("its modules have more than a million members");
      const std::string name = prefix + entry.key().toStringRef();
      const at::IValue& value = entry.value();
      if (value.isTensor()) {
        if (value.toTensor().defined()) tensors.emplace(name, value.toTensor());
      } else if (value.isObject()) {
        add_members(value, name + ".");
      } else if (value.isInt()) {
        constants.emplace(name, value.toInt());
      } else if (value.isDouble()) {
        constants.emplace(name, value.toDouble());
      } else if (value.isDoubleList()) {
        constants.emplace(name, value.toDoubleVector());
      }
    }
  }

  std::string path;
  core::MappedFile file;
  std::string class_name;
  std::map<std::string, at::Tensor> tensors;  // views of `file`, which is closed after them
  std::map<std::string, ArchiveConstant> constants;
  std::size_t members = 0;
};

MappedArchive::MappedArchive(const std::filesystem::path& archive, core::MapAccess access) {
  scan_archive(archive, /*trusted=*/false);
  contents_ = std::make_unique<const Contents>(archive, access);
}
MappedArchive::~MappedArchive() = default;
MappedArchive::MappedArchive(MappedArchive&&) noexcept = default;

const std::string& MappedArchive::class_name() const { return contents_->class_name; }
const std::map<std::string, at::Tensor>& MappedArchive::tensors() const {
  return contents_->tensors;
}
const std::map<std::string, ArchiveConstant>& MappedArchive::constants() const {
  return contents_->constants;
}

void MappedArchive::release(const at::Tensor& tensor) const {
  const auto* const begin = static_cast<const std::uint8_t*>(tensor.const_data_ptr());
  const auto* const file = contents_->file.data();
  const std::uint64_t size = contents_->file.size();
  // A tensor that was read lies elsewhere.
  if (std::less<>()(begin, file) || !std::less<>()(begin, file + size)) return;
  const auto offset = static_cast<std::uint64_t>(begin - file);
  contents_->file.release(offset, std::min<std::uint64_t>(tensor.nbytes(), size - offset));
}

}  // namespace salf::model
