#include <bit>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/dtype.h"
#include "io/pickle_globals.h"
#include "io/quote.h"
#include "io/torch_pickle.h"
#include "io/zip_writer.h"

namespace drystill::io {
namespace {

// Emits the few opcodes of pickle protocol 2 that a state dict needs.
class Pickler {
 public:
  Pickler() { out_ = "\x80\x02"; }

  void global(std::string_view module, std::string_view name) {
    (((out_ += 'c') += module) += '\n') += name;
    out_ += '\n';
  }

  void text(std::string_view value) {
    out_ += 'X';
    number(value.size(), 4);
    out_ += value;
  }

  void integer(std::int64_t value) {
    const bool fits = value == static_cast<std::int32_t>(value);
    out_ += fits ? "J" : "\x8a\x08";
    number(std::bit_cast<std::uint64_t>(value), fits ? 4 : 8);
  }

  void flag(bool value) { out_ += value ? '\x88' : '\x89'; }
  void mark() { out_ += '('; }
  void tuple() { out_ += 't'; }       // of what stands above the mark
  void call() { out_ += 'R'; }        // function, tuple -> result
  void persistent() { out_ += 'Q'; }  // tuple -> what stands beside the pickle
  void empty_dict() { out_ += '}'; }
  void set_items() { out_ += 'u'; }  // dict, mark, key, value, ... -> dict

  void empty_ordered_dict() {
    global("collections", "OrderedDict");
    out_ += ")R";
  }

  void integers(at::IntArrayRef values) {
    mark();
    for (const std::int64_t value : values) integer(value);
    tuple();
  }

  std::string finish() { return std::move(out_) + "."; }

 private:
  void number(std::uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xff);
  }

  std::string out_;
};

void pickle_tensor(Pickler& pickler, const std::string& name, const torch::Tensor& tensor, const std::string& key) {
  const auto storage_name = torch_storage_name(tensor.scalar_type());
  const auto dtype_name = torch_dtype_name(tensor.scalar_type());
  if (!dtype_name) {
    throw InputError("tensor " + quote(name) + " is " + std::string(torch::toString(tensor.scalar_type())) +
                     ", which a .pth file cannot hold; convert it first");
  }
  // Types without a storage class of their own are bytes with a dtype: _rebuild_tensor_v3.
  const std::int64_t units = tensor.numel() * (storage_name ? 1 : static_cast<std::int64_t>(tensor.element_size()));
  pickler.global("torch._utils", storage_name ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
  pickler.mark();
  pickler.mark();
  pickler.text("storage");
  pickler.global(storage_name ? "torch" : "torch.storage", storage_name.value_or("UntypedStorage"));
  pickler.text(key);
  pickler.text("cpu");
  pickler.integer(units);
  pickler.tuple();
  pickler.persistent();
  pickler.integer(0);  // offset
  pickler.integers(tensor.sizes());
  pickler.integers(c10::contiguous_strides(tensor.sizes()));
  pickler.flag(false);           // requires_grad
  pickler.empty_ordered_dict();  // backward hooks
  if (!storage_name) pickler.global("torch", *dtype_name);
  pickler.tuple();
  pickler.call();
}

std::string pickle(const TensorFile& file, bool wrap) {
  Pickler pickler;
  if (wrap) {
    pickler.empty_dict();
    pickler.mark();
    pickler.text("state_dict");
  }
  pickler.empty_ordered_dict();
  pickler.mark();
  std::size_t key = 0;
  for (const auto& [name, tensor] : file.tensors) {
    pickler.text(name);
    pickle_tensor(pickler, name, tensor, std::to_string(key++));
  }
  pickler.set_items();
  if (wrap) {
    for (const auto& [name, text] : file.metadata) {
      if (name == "state_dict") continue;
      pickler.text(name);
      pickler.text(text);
    }
    pickler.set_items();
  }
  return pickler.finish();
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void write_torch(const std::filesystem::path& path, const TensorFile& content, const TorchWriteOptions& options) {
  const std::string pickled = pickle(content, options.wrap);  // before the disk is touched: it may refuse a dtype
  const std::string root = "archive/";
  AtomicFile file(path);
  ZipWriter zip(file);
  zip.add(root + "data.pkl", as_bytes(pickled));
  zip.add(root + "byteorder", as_bytes("little"));
  std::size_t key = 0;
  for (const auto& [name, tensor] : content.tensors) {
    const auto packed = tensor.detach().to(torch::kCPU).resolve_conj().resolve_neg().contiguous();
    zip.add(root + "data/" + std::to_string(key++), bytes_of(packed));
  }
  zip.add(root + "version", as_bytes("3\n"));
  zip.finish();
  file.commit();
}

}  // namespace drystill::io
