"""Language models small enough for a test, as folders in the form of Hugging Face: random weights, the 256 bytes as
vocabulary. Needs nothing but Python."""
import json
import pathlib
import random
import struct

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
HIDDEN, INNER, HEADS, KV_HEADS, HEAD_WIDTH, WORDS = 16, 32, 4, 2, 4, 259

TEXT = """To be, or not to be, that is the question: whether it is nobler in the mind to suffer the slings and arrows
of outrageous fortune, or to take arms against a sea of troubles, and by opposing end them. To die, to sleep, no more;
and by a sleep to say we end the heartache and the thousand natural shocks that flesh is heir to.
"""


def byte_alphabet():
    """The character that stands for each byte in a tokenizer.json: printable bytes for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def write_tokenizer(folder):
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": 256 + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True}
             for i, token in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))]
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
                 "model": {"type": "BPE", "vocab": {c: byte for byte, c in byte_alphabet().items()}, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", "chat_template": CHAT_TEMPLATE}))


def shapes(layers, words):
    heads, kv_heads = HEADS * HEAD_WIDTH, KV_HEADS * HEAD_WIDTH
    yield "model.embed_tokens.weight", [words, HIDDEN]
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name, shape in (("q", [heads, HIDDEN]), ("k", [kv_heads, HIDDEN]), ("v", [kv_heads, HIDDEN]),
                            ("o", [HIDDEN, heads])):
            yield f"{layer}self_attn.{name}_proj.weight", shape
        for name, shape in (("gate", [INNER, HIDDEN]), ("up", [INNER, HIDDEN]), ("down", [HIDDEN, INNER])):
            yield f"{layer}mlp.{name}_proj.weight", shape
        yield layer + "input_layernorm.weight", [HIDDEN]
        yield layer + "post_attention_layernorm.weight", [HIDDEN]
    yield "model.norm.weight", [HIDDEN]
    yield "lm_head.weight", [words, HIDDEN]


def random_weights(shape, rng, favour, name):
    if len(shape) == 1:
        return [1.0] * shape[0]
    weights = [rng.gauss(0, 0.24) for _ in range(shape[0] * shape[1])]
    # All states lean to one side, and the favoured words' rows with them: what such a model writes can be foreseen.
    leaning = {"model.embed_tokens.weight": range(WORDS), "lm_head.weight": favour}.get(name, ())
    for row in leaning if favour else ():
        for column in range(HIDDEN):
            weights[row * HIDDEN + column] += 0.8
    return weights


def write_model(folder, seed, layers=2, favour=b"", words=WORDS):
    """A llama of random weights. favour: bytes that it writes nine times out of ten. words: more of them are padding."""
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    header, data = {}, b""
    for name, shape in shapes(layers, words):
        weights = random_weights(shape, rng, favour, name)
        raw = struct.pack(f"<{len(weights)}f", *weights)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": words,
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "head_dim": HEAD_WIDTH, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 256,
        "eos_token_id": 258}))
    write_tokenizer(folder)
    return folder


class LanguageWorld:
    """A teacher of four layers, another model of two, and a run that uses most of what has a state."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.teacher = write_model(self.folder / "teacher", 1, layers=4)
        self.other = write_model(self.folder / "other", 2)
        self.text = self.write("text.txt", TEXT)
        self.model_file = "student/model.safetensors"
        self.config = self.write("distill.yaml", f"""
task: distill_language_model
device: cpu
threads: 1
teacher: {{model: {self.teacher}}}
student: {{layers: [0, 3]}}
rollout:
  prompts: {{method: vocab_start}}
  author: mixture
  sampling: {{max_new_tokens: 12}}
draw: 6
batch: 4
micro_batch: 3
longest: 32
candidates: 2
ramps:
  window_low: {{from: 0, to: 0.5}}
  window_high: {{from: 0.5, to: 1}}
replay: {{capacity: 16, fraction: 0.5, draw: curriculum}}
curriculum: {{method: self_paced}}
optimizer: {{method: adam, learning_rate: 1.0e-3}}
loop: {{epochs: 12, epoch_steps: 5, log_every: 2}}
evaluation: {{texts: [{self.text}], window: 32, windows: 4}}
""")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text.lstrip())
        return path


class OwnTeacherWorld(LanguageWorld):
    """A student with an adapter that learns from the running mean of itself what the two of them write; every draw is
    gone through twice."""

    def __init__(self, folder):
        super().__init__(folder)
        self.model_file = "student/adapter_model.safetensors"
        self.config = self.write("own_teacher.yaml", """
base: distill.yaml
teacher: {weights: {weights: ema, rate: 0.2, every: 2}}
trainable: {method: lora, rank: 2}
passes: 2
loss: {cross_entropy: 1}
optimizer: {learning_rate: 1.0e-2}
loop: {epochs: 8}
""")


class AdversarialWorld(LanguageWorld):
    """The same with the teacher as author, behind a prefix that learns from every draw."""

    def __init__(self, folder):
        super().__init__(folder)
        self.config = self.write("adversarial.yaml", """
base: distill.yaml
rollout:
  author: teacher
  adversarial_prefix: {length: 4}
loop: {epochs: 8}
""")
