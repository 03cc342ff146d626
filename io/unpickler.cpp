#include "io/unpickler.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "core/error.h"
#include "io/pickle_objects.h"
#include "io/quote.h"

namespace drystill::io {
namespace {

constexpr std::size_t kMostValues = 4'000'000;  // a state dict takes about 30 a tensor
constexpr std::size_t kDeepestMarks = 1'000;    // open containers
constexpr std::size_t kLongestName = 256;       // of a global
constexpr std::uint32_t kDeepestNesting = 500;  // finished containers

enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObject = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  PickleGraph run() {
    while (true) {
      const auto opcode = static_cast<std::uint8_t>(number(1));
      if (opcode == kStop) break;
      execute(opcode);
    }
    graph_.root = pop();
    graph_.bytes_read = position_;
    return std::move(graph_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(quote(source_) + ": its pickle " + what + " (near byte " + std::to_string(position_) + ")");
  }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size() - position_) fail("ends too early; the file is damaged or cut short");
    const auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }

  std::uint64_t number(unsigned width) {  // little-endian
    std::uint64_t result = 0;
    const auto part = take(width);
    for (unsigned i = width; i-- > 0;) result = result << 8 | std::to_integer<std::uint64_t>(part[i]);
    return result;
  }

  std::string text(std::uint64_t length) {
    const auto part = take(length);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  std::string line() {
    std::string result;
    for (char c; (c = static_cast<char>(number(1))) != '\n';) {
      if (result.size() >= kLongestName) fail("names an object with more than 256 characters; the file is damaged");
      result += c;
    }
    return result;
  }

  void push(PickleValue value, std::uint32_t depth = 0) {
    if (graph_.values.size() >= kMostValues) fail("holds more than 4 million values, which no model needs");
    if (depth > kDeepestNesting) fail("nests more than 500 containers, which no model needs");
    stack_.push_back(static_cast<PickleId>(graph_.values.size()));
    graph_.values.push_back(std::move(value));
    depths_.push_back(depth);
  }

  // Items above the innermost mark cannot be taken by an operation below it.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleId pop() {
    if (stack_.size() <= floor()) fail("takes from an empty stack; the file is damaged");
    const PickleId top = stack_.back();
    stack_.pop_back();
    return top;
  }

  PickleId top() const {
    if (stack_.size() <= floor()) fail("looks at an empty stack; the file is damaged");
    return stack_.back();
  }

  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) fail("closes a container that it never opened; the file is damaged");
    std::vector<PickleId> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  std::vector<PickleId> pop_count(std::size_t count) {
    std::vector<PickleId> items(count);
    while (count-- > 0) items[count] = pop();
    return items;
  }

  void push_tuple(std::vector<PickleId> items) {
    std::uint32_t depth = 0;
    for (const PickleId item : items) depth = std::max(depth, depths_[item] + 1);
    push(PickleTuple{std::move(items)}, depth);
  }

  void deepen(PickleId container, PickleId item) {
    depths_[container] = std::max(depths_[container], depths_[item] + 1);
    if (depths_[container] > kDeepestNesting) fail("nests more than 500 containers, which no model needs");
  }

  void append(const std::vector<PickleId>& items) {
    const PickleId target = top();
    auto* list = std::get_if<PickleList>(&graph_.values[target]);
    if (list == nullptr) fail("appends to something that is no list; the file is damaged");
    for (const PickleId item : items) {
      list->items.push_back(item);
      deepen(target, item);
    }
  }

  void set_items(const std::vector<PickleId>& items) {
    const PickleId target = top();
    auto* dict = std::get_if<PickleDict>(&graph_.values[target]);
    if (dict == nullptr || items.size() % 2 != 0) fail("sets items of something that is no dict; the file is damaged");
    for (std::size_t i = 0; i < items.size(); i += 2) {
      dict->items.emplace_back(items[i], items[i + 1]);
      deepen(target, items[i + 1]);
    }
  }

  void push_global() {
    const std::string module = line();
    const std::string name = line();
    const auto global = find_pickle_global(module, name);
    if (!global) {
      throw InputError(quote(source_) + ": its pickle asks for the Python object " + quote(module + "." + name) +
                       ", which is not on the allow-list, so it was refused (nothing was executed); in Python, save " +
                       "model.state_dict() alone");
    }
    push(*global);
  }

  void push_integer(std::uint64_t width) {  // two's complement, little-endian
    if (width > 8) {
      take(width);
      push(PickleOpaque{});  // no size, offset or epoch is that long
      return;
    }
    std::uint64_t bits = number(static_cast<unsigned>(width));
    if (width > 0 && width < 8 && (bits >> (8 * width - 1) & 1) != 0) bits |= ~std::uint64_t{0} << (8 * width);
    push(std::bit_cast<std::int64_t>(bits));
  }

  void push_float() {
    std::uint64_t bits = 0;  // big-endian, unlike all else
    for (const std::byte byte : take(8)) bits = bits << 8 | std::to_integer<std::uint64_t>(byte);
    push(std::bit_cast<double>(bits));
  }

  void push_result(PickleId function, PickleId arguments) {
    const auto depth = std::max(depths_[function], depths_[arguments]);  // a call adds no nesting of its own
    try {
      PickleValue result = build_pickle_object(graph_, function, arguments);
      // A call copies what its arguments hold, and a few bytes can name the same arguments again and again.
      if (const auto* dict = std::get_if<PickleDict>(&result)) copied_ += dict->items.size();
      if (const auto* tensor = std::get_if<PickleTensor>(&result)) copied_ += 2 * tensor->sizes.size();
      if (copied_ > kMostValues) fail("holds more than 4 million values, which no model needs");
      push(std::move(result), depth);
    } catch (const PickleObjectError& error) {
      fail(error.what());
    }
  }

  void push_persistent() {
    try {
      push(build_pickle_storage(graph_, pop()));
    } catch (const PickleObjectError& error) {
      fail(error.what());
    }
  }

  void recall(std::uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) fail("recalls a value that it never stored; the file is damaged");
    stack_.push_back(found->second);
    if (stack_.size() > kMostValues) fail("holds more than 4 million values, which no model needs");
  }

  void execute(std::uint8_t opcode) {
    switch (opcode) {
      case kProto:
        if (const auto protocol = number(1); protocol != 2 && protocol != 3) {
          fail("is of protocol " + std::to_string(protocol) + ", expected 2; save it with torch.save's default");
        }
        return;
      case kMark:
        if (marks_.size() >= kDeepestMarks) fail("nests more than 1000 open containers, which no model needs");
        return marks_.push_back(stack_.size());
      case kNone:
        return push(PickleNone{});
      case kNewTrue:
        return push(true);
      case kNewFalse:
        return push(false);
      case kBinInt:
        return push_integer(4);
      case kBinInt1:
        return push(static_cast<std::int64_t>(number(1)));
      case kBinInt2:
        return push(static_cast<std::int64_t>(number(2)));
      case kLong1:
        return push_integer(number(1));
      case kBinFloat:
        return push_float();
      case kBinUnicode:
      case kBinString:
      case kBinBytes:
        return push(text(number(4)));
      case kShortBinString:
      case kShortBinBytes:
        return push(text(number(1)));
      case kEmptyTuple:
        return push_tuple({});
      case kTuple1:
        return push_tuple(pop_count(1));
      case kTuple2:
        return push_tuple(pop_count(2));
      case kTuple3:
        return push_tuple(pop_count(3));
      case kTuple:
        return push_tuple(pop_to_mark());
      case kEmptyList:
        return push(PickleList{});
      case kEmptyDict:
        return push(PickleDict{});
      case kAppend:
        return append(pop_count(1));
      case kAppends:
        return append(pop_to_mark());
      case kSetItem:
        return set_items(pop_count(2));
      case kSetItems:
        return set_items(pop_to_mark());
      case kGlobal:
        return push_global();
      case kReduce:
      case kNewObject: {
        const PickleId arguments = pop();
        return push_result(pop(), arguments);
      }
      case kBuild:  // attributes of an object, such as `_metadata` of a state dict: of no use here
        pop();
        top();
        return;
      case kBinPersId:
        return push_persistent();
      case kBinPut:
        memo_[number(1)] = top();
        return;
      case kLongBinPut:
        memo_[number(4)] = top();
        return;
      case kBinGet:
        return recall(number(1));
      case kLongBinGet:
        return recall(number(4));
      default:
        --position_;
        fail("uses opcode " + std::to_string(opcode) + ", which torch.save does not; the file is damaged, or was " +
             "saved with another pickle protocol than the default");
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  std::size_t position_ = 0;
  std::size_t copied_ = 0;
  PickleGraph graph_;
  std::vector<std::uint32_t> depths_;  // beside graph_.values: levels of containers below
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;  // stack sizes
  std::unordered_map<std::uint64_t, PickleId> memo_;
};

}  // namespace

PickleGraph unpickle(std::span<const std::byte> bytes, const std::string& source) {
  return Unpickler(bytes, source).run();
}

}  // namespace drystill::io
