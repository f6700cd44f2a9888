#include "model/scan/pickle_scan.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::model {
namespace {

constexpr std::size_t kDeepest = 200;
// A type's description is parsed by recursion.
constexpr std::size_t kLongestType = 4096;

enum class Kind { kMark, kInt, kString, kTuple, kGlobal, kStorage, kOther };

struct Value {
  Kind kind = Kind::kOther;
  std::int64_t number = 0;                        // kInt; kStorage: elements
  std::string_view text{};                        // kString; kGlobal: "module name"
  std::size_t node = 0;                           // of the Nesting; 0: holds nothing
  std::shared_ptr<std::vector<Value>> members{};  // kTuple; shared by memo and stack, never changed
};

struct StorageType {
  const char* name;
  std::int64_t bytes;
};
constexpr std::array<StorageType, 12> kStorages = {{{"torch FloatStorage", 4},
    {"torch DoubleStorage", 8}, {"torch HalfStorage", 2}, {"torch BFloat16Storage", 2},
    {"torch LongStorage", 8}, {"torch IntStorage", 4}, {"torch ShortStorage", 2},
    {"torch CharStorage", 1}, {"torch ByteStorage", 1}, {"torch BoolStorage", 1},
    {"torch ComplexFloatStorage", 8}, {"torch ComplexDoubleStorage", 16}}};

constexpr std::array<const char*, 8> kFunctions = {"torch._utils _rebuild_tensor_v2",
    "collections OrderedDict", "torch.jit._pickle build_intlist",
    "torch.jit._pickle build_tensorlist", "torch.jit._pickle build_doublelist",
    "torch.jit._pickle build_boollist", "torch.jit._pickle restore_type_tag", "torch device"};

std::int64_t bytes_of(std::string_view storage) {
  for (const auto& type : kStorages) {
    if (storage == type.name) return type.bytes;
  }
  return 0;
}

// Which object holds which: an object may be filled after it was put into another, so the depth
// shows at the end only.
class Nesting {
 public:
  std::size_t add() {
    held_by_.emplace_back();
    return held_by_.size() - 1;
  }
  void hold(std::size_t holder, std::size_t member) {
    if (member != 0) held_by_[member].push_back(holder);
  }

  // Levels of the deepest object; nothing if one holds itself.
  std::optional<std::size_t> depth() const {
    std::vector<std::size_t> open_members(held_by_.size(), 0), level(held_by_.size(), 1);
    for (const auto& holders : held_by_) {
      for (const std::size_t holder : holders) ++open_members[holder];
    }
    std::vector<std::size_t> ready;
    for (std::size_t node = 0; node < held_by_.size(); ++node) {
      if (open_members[node] == 0) ready.push_back(node);
    }
    std::size_t deepest = 0, done = 0;
    while (!ready.empty()) {
      const std::size_t node = ready.back();
      ready.pop_back();
      ++done;
      deepest = std::max(deepest, level[node]);
      for (const std::size_t holder : held_by_[node]) {
        level[holder] = std::max(level[holder], level[node] + 1);
        if (--open_members[holder] == 0) ready.push_back(holder);
      }
    }
    return done == held_by_.size() ? std::optional<std::size_t>(deepest) : std::nullopt;
  }

 private:
  std::vector<std::vector<std::size_t>> held_by_{1};  // 0 stands for all that holds nothing
};

class Scanner {
 public:
  Scanner(const std::string& where, std::string_view bytes, const RecordSize& record_size)
      : where_(where), bytes_(bytes), record_size_(record_size) {}

  void run() {
    if (take(1)[0] != '\x80' || take(1)[0] != '\x02') fail("expected a pickle of protocol 2");
    while (step()) {
    }
    if (stack_.size() != 1)
      fail("expected one object at the end, found " + std::to_string(stack_.size()));
    const std::optional<std::size_t> depth = nesting_.depth();
    if (!depth) fail("an object holds itself");
    if (*depth > kDeepest)
      fail("objects are nested " + std::to_string(*depth) + " deep, at most " +
           std::to_string(kDeepest) + " are expected");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kBadModel, where_ + ", byte " + std::to_string(at_) + ": " + what);
  }

  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_) fail("the pickle ends within an instruction");
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }

  // Little-endian.
  std::uint64_t unsigned_number(std::size_t width) {
    std::uint64_t number = 0;
    const std::string_view part = take(width);
    for (std::size_t i = 0; i < width; ++i)
      number |= std::uint64_t{static_cast<unsigned char>(part[i])} << (8 * i);
    return number;
  }

  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("the pickle ends within a name");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  void push(Value value) { stack_.push_back(std::move(value)); }
  void push(Kind kind, std::int64_t number) { push(Value{kind, number}); }
  void push(Kind kind, std::string_view text) { push(Value{kind, 0, text}); }

  Value pop() {
    if (stack_.empty() || stack_.back().kind == Kind::kMark)
      fail("an instruction lacks its operand");
    Value value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }

  std::vector<Value> pop_to_mark() {
    const auto mark = std::find_if(stack_.rbegin(), stack_.rend(),
        [](const Value& value) { return value.kind == Kind::kMark; });
    if (mark == stack_.rend()) fail("a collection lacks its beginning");
    std::vector<Value> members(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return members;
  }

  // An object that holds these.
  Value holder(const std::vector<Value>& members) {
    Value value;
    value.node = nesting_.add();
    for (const Value& member : members) nesting_.hold(value.node, member.node);
    return value;
  }

  void push_tuple(std::vector<Value> members) {
    Value tuple = holder(members);
    tuple.kind = Kind::kTuple;
    tuple.members = std::make_shared<std::vector<Value>>(std::move(members));
    push(std::move(tuple));
  }

  void push_tuple_of(std::size_t count) {
    std::vector<Value> members(count);
    for (std::size_t i = count; i > 0; --i) members[i - 1] = pop();
    push_tuple(std::move(members));
  }

  void add_to_top(const std::vector<Value>& members) {
    if (stack_.empty() || stack_.back().node == 0 || stack_.back().kind != Kind::kOther) {
      fail("items for something that is no list, dictionary or object");
    }
    for (const Value& member : members) nesting_.hold(stack_.back().node, member.node);
  }

  void check_slot(std::uint64_t slot, std::size_t slots) const {
    if (slot >= slots)
      fail("memo slot " + std::to_string(slot) + " of " + std::to_string(memo_.size()));
  }

  void remember(std::uint64_t slot) {
    check_slot(slot, memo_.size() + 1);
    if (stack_.empty()) fail("nothing to remember");
    if (slot == memo_.size()) memo_.emplace_back();
    memo_[slot] = stack_.back();
  }

  void recall(std::uint64_t slot) {
    check_slot(slot, memo_.size());
    push(memo_[slot]);
  }

  void push_global() {
    const std::size_t begin = at_;
    const std::string_view module = line();
    const std::string_view name = line();
    names_.push_back(std::make_unique<std::string>(std::string(module) + " " + std::string(name)));
    const std::string& whole = *names_.back();
    const bool ours = core::starts_with(module, "__torch__") &&
                      module.find("torch.classes") == std::string_view::npos &&
                      name.find("torch.classes") == std::string_view::npos;
    const bool known = std::find(kFunctions.begin(), kFunctions.end(), whole) != kFunctions.end();
    if (!ours && !known && bytes_of(whole) == 0) {
      at_ = begin;
      fail("refers to " + core::printable(whole) + ", which a decoder has no use for");
    }
    push(Kind::kGlobal, whole);
  }

  // ("storage", type, key, device, elements)
  void push_storage() {
    const Value tuple = pop();
    if (tuple.kind != Kind::kTuple || tuple.members->size() < 5)
      fail("expected the description of a storage");
    const std::vector<Value>& parts = *tuple.members;
    if (parts[1].kind != Kind::kGlobal || parts[2].kind != Kind::kString ||
        parts[4].kind != Kind::kInt) {
      fail("expected the description of a storage");
    }
    const std::int64_t width = bytes_of(parts[1].text);
    if (width == 0)
      fail("a storage of the unknown type " + core::printable(std::string(parts[1].text)));
    const std::string key(parts[2].text);
    const std::optional<std::uint64_t> size = record_size_(key);
    if (!size) fail("the storage " + core::printable(key) + " has no record in the archive");
    if (parts[4].number < 0 ||
        static_cast<std::uint64_t>(parts[4].number) > *size / static_cast<std::uint64_t>(width)) {
      fail("the storage " + core::printable(key) + " claims " + std::to_string(parts[4].number) +
           " elements of " + std::to_string(width) + " bytes, its record has " +
           std::to_string(*size) + " bytes");
    }
    push(Kind::kStorage, parts[4].number);
  }

  std::int64_t integer(const Value& value, const char* what) const {
    if (value.kind != Kind::kInt || value.number < 0)
      fail(std::string("a tensor's ") + what + " should be a number from 0");
    return value.number;
  }

  // (storage, offset, sizes, strides, …): no element lies outside of the storage.
  void check_tensor(const Value& arguments) const {
    if (arguments.kind != Kind::kTuple || arguments.members->size() < 4)
      fail("expected the description of a tensor");
    const std::vector<Value>& parts = *arguments.members;
    if (parts[0].kind != Kind::kStorage || parts[2].kind != Kind::kTuple ||
        parts[3].kind != Kind::kTuple || parts[2].members->size() != parts[3].members->size()) {
      fail("expected a tensor's storage, offset, sizes and strides");
    }
    std::int64_t last = integer(parts[1], "offset");
    bool empty = false, overflows = false;
    for (std::size_t i = 0; i < parts[2].members->size(); ++i) {
      const std::int64_t size = integer((*parts[2].members)[i], "size");
      const std::int64_t stride = integer((*parts[3].members)[i], "stride");
      empty = empty || size == 0;
      std::int64_t reach = 0;
      overflows = overflows ||
                  __builtin_mul_overflow(std::max<std::int64_t>(size - 1, 0), stride, &reach) ||
                  __builtin_add_overflow(last, reach, &last);
    }
    if (!empty && (overflows || last >= parts[0].number)) {
      fail("a tensor reaches beyond its storage of " + std::to_string(parts[0].number) +
           " elements");
    }
  }

  // A call of a function or the making of an object, by `problem` in the error.
  void apply(const char* problem, bool calls) {
    const Value arguments = pop();
    const Value function = pop();
    if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) fail(problem);
    if (calls && function.text == "torch._utils _rebuild_tensor_v2") check_tensor(arguments);
    if (calls && function.text == "torch.jit._pickle restore_type_tag") {
      const auto& parts = *arguments.members;
      if (parts.size() != 2 || parts[1].kind != Kind::kString ||
          parts[1].text.size() > kLongestType) {
        fail("expected a value and the description of its type");
      }
    }
    push(holder({arguments}));
  }

  // One instruction; false at the end.
  bool step() {
    const char code = take(1)[0];
    switch (code) {
      case '.': return false;
      case '(': push(Kind::kMark, 0); break;
      case ')': push_tuple({}); break;
      case 't': push_tuple(pop_to_mark()); break;
      case '\x85': push_tuple_of(1); break;
      case '\x86': push_tuple_of(2); break;
      case '\x87': push_tuple_of(3); break;
      case ']':
      case '}': push(holder({})); break;
      case 'N':
      case '\x88':
      case '\x89': push(Value{}); break;
      case 'X': push(Kind::kString, take(unsigned_number(4))); break;
      case '\x8c': push(Kind::kString, take(unsigned_number(1))); break;
      case 'J': push(Kind::kInt, static_cast<std::int32_t>(unsigned_number(4))); break;
      case 'K': push(Kind::kInt, static_cast<std::int64_t>(unsigned_number(1))); break;
      case 'M': push(Kind::kInt, static_cast<std::int64_t>(unsigned_number(2))); break;
      case '\x8a': push_long(); break;
      case 'G':
        take(8);
        push(Value{});
        break;
      case 'c': push_global(); break;
      case 'q': remember(unsigned_number(1)); break;
      case 'r': remember(unsigned_number(4)); break;
      case 'h': recall(unsigned_number(1)); break;
      case 'j': recall(unsigned_number(4)); break;
      case 'e':
      case 'u': add_to_top(pop_to_mark()); break;
      case 'a':
      case 'b': add_to_top({pop()}); break;
      case 's': {
        const Value item = pop();
        const Value key = pop();
        add_to_top({key, item});
        break;
      }
      case '\x81': apply("an object of something that is no class", false); break;
      case 'R': apply("a call of something that is no function", true); break;
      case 'Q': push_storage(); break;
      default:
        fail("instruction " + std::to_string(static_cast<unsigned char>(code)) +
             " is not one that torch.jit.save writes");
    }
    return true;
  }

  void push_long() {
    const std::uint64_t width = unsigned_number(1);
    if (width > 8) fail("a number of " + std::to_string(width) + " bytes");
    std::uint64_t number = unsigned_number(width);
    const bool negative = width > 0 && width < 8 && ((number >> (8 * width - 1)) & 1U) != 0;
    if (negative) number |= ~std::uint64_t{0} << (8 * width);
    push(Kind::kInt, static_cast<std::int64_t>(number));
  }

  const std::string& where_;
  std::string_view bytes_;
  const RecordSize& record_size_;
  std::size_t at_ = 0;
  std::vector<Value> stack_;
  std::vector<Value> memo_;
  Nesting nesting_;
  std::vector<std::unique_ptr<std::string>> names_;  // what Value::text of a kGlobal points to
};

}  // namespace

void scan_pickle(const std::string& where, std::string_view bytes, const RecordSize& record_size) {
  Scanner(where, bytes, record_size).run();
}

}  // namespace salf::model
