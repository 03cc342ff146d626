"""A llama folder of random weights with a tokenizer of bytes, small enough for a test."""
import json
import random
import struct

HIDDEN, HEADS, INNER, LAYERS, WORDS = 16, 2, 24, 2, 258


def byte_names():
    """GPT-2's printable stand-ins of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_language_model(folder, seed):
    folder.mkdir(parents=True)
    rng = random.Random(seed)

    def matrix(*shape):
        count = 1
        for size in shape:
            count *= size
        return [list(shape), [rng.gauss(0, 0.3) for _ in range(count)]]

    ones = [[HIDDEN], [1.0] * HIDDEN]
    tensors = {"model.embed_tokens.weight": matrix(WORDS, HIDDEN), "model.norm.weight": ones}
    for i in range(LAYERS):
        layer = f"model.layers.{i}"
        tensors |= {f"{layer}.input_layernorm.weight": ones, f"{layer}.post_attention_layernorm.weight": ones}
        tensors |= {f"{layer}.self_attn.{p}_proj.weight": matrix(HIDDEN, HIDDEN) for p in "qkvo"}
        tensors |= {f"{layer}.mlp.{p}_proj.weight": matrix(INNER, HIDDEN) for p in ("gate", "up")}
        tensors[f"{layer}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": WORDS, "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": 256, "eos_token_id": 257}))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": 256 + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, token in enumerate(("<s>", "</s>"))]
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {name: byte for byte, name in byte_names().items()}, "merges": []}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    return folder
