#!/usr/bin/env python3
"""Makes tests/golden/language/: what `transformers` says about tiny models of every family.

    python tools/make_golden_language.py      # torch, transformers, safetensors, peft, gguf

<name>/config.json, model.safetensors   a model as `save_pretrained` writes it: random weights, stored as bfloat16
<name>/expected.safetensors             computed in float32 from those weights:
    ids [3, 12]; lengths [3]            texts of different lengths; ids beyond a length are noise
    logits, states.<i>                  [3, 12, .]: no mask; hidden states as `output_hidden_states` gives them
    right_logits, left_logits           the texts padded on either side; only tokens' rows count
    loss, gradient.<parameter>          mean cross entropy of the next token, every fifth gradient entry (some models)
lora_<name>/                            an adapter of <name> as `peft` writes it, with expected.safetensors: logits
llama.gguf, qwen2.gguf, gpt2.gguf       the same models as llama.cpp's converter would write them
small_<name>.gguf, .safetensors         one layer of other kinds: ids, and logits computed in float32
"""
import argparse
import copy
import pathlib
import shutil
import tempfile

import gguf
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

COMMON = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
MODELS = {
    "llama": dict(model_type="llama", tie_word_embeddings=True, rms_norm_eps=1e-5, **COMMON),
    "llama_untied": dict(model_type="llama", tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                         **{**COMMON, "num_key_value_heads": 4, "eos_token_id": [2, 3]}),
    "llama3": dict(model_type="llama", tie_word_embeddings=True,
                   rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0,
                                        high_freq_factor=4.0, original_max_position_embeddings=16), **COMMON),
    "llama_linear": dict(model_type="llama", tie_word_embeddings=True,
                         rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0), **COMMON),
    "mistral": dict(model_type="mistral", tie_word_embeddings=False, sliding_window=None, **COMMON),
    "qwen2": dict(model_type="qwen2", tie_word_embeddings=True, rms_norm_eps=1e-6, **COMMON),
    "qwen3": dict(model_type="qwen3", tie_word_embeddings=True, rms_norm_eps=1e-6, head_dim=16, **COMMON),
    "gpt2": dict(model_type="gpt2", vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=1,
                 eos_token_id=2),
}
SMALL = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
             num_key_value_heads=1, max_position_embeddings=16384, bos_token_id=1, eos_token_id=2, pad_token_id=0)
SMALL_MODELS = {
    # As all published models of this scaling have it, except for the factor.
    "llama3": dict(model_type="llama", tie_word_embeddings=True,
                   rope_parameters=dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
                                        high_freq_factor=4.0, original_max_position_embeddings=8192), **SMALL),
    "linear": dict(model_type="llama", tie_word_embeddings=False,
                   rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0), **SMALL),
    "qwen3": dict(model_type="qwen3", tie_word_embeddings=True, rms_norm_eps=1e-6, head_dim=16, **SMALL),
}
WITH_GRADIENTS = ("llama", "qwen3", "gpt2")


def random_model(name, settings):
    torch.manual_seed(sum(map(ord, name)))
    settings = dict(settings)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():  # large enough for every part to matter; norms away from 1
            if parameter.dim() == 1:
                parameter.copy_(torch.randn_like(parameter) * 0.2 + (0 if key.endswith("bias") else 1))
            else:
                parameter.normal_(0, 0.25)
            parameter.copy_(parameter.bfloat16().float())
    return model


def make(name, settings, folder):
    model = random_model(name, settings)
    shutil.rmtree(folder, ignore_errors=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)  # a copy: this rounds the rotary frequencies too
    (folder / "generation_config.json").unlink(missing_ok=True)

    ids = torch.randint(3, 96, (3, 12))
    lengths = torch.tensor([12, 7, 1])
    out = {"ids": ids, "lengths": lengths}
    with torch.no_grad():
        plain = model(ids, output_hidden_states=True)
        out["logits"] = plain.logits
        for i, state in enumerate(plain.hidden_states):
            out[f"states.{i}"] = state
        right_mask = (torch.arange(12)[None] < lengths[:, None]).long()
        out["right_logits"] = model(ids, attention_mask=right_mask).logits
        left_mask = right_mask.flip(1)
        left_ids = torch.zeros_like(ids)
        for row, length in enumerate(lengths):
            left_ids[row, 12 - length:] = ids[row, :length]
        positions = (left_mask.cumsum(1) - 1).clamp_min(0)
        out["left_logits"] = model(left_ids, attention_mask=left_mask, position_ids=positions).logits
    if name in WITH_GRADIENTS:
        logits = model(ids).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        out["loss"] = loss.detach()
        for key, parameter in model.named_parameters():
            gradient = parameter.grad
            if name == "gpt2" and gradient.dim() == 2 and any(part in key for part in ("c_attn", "c_proj", "c_fc")):
                gradient = gradient.t()
            out["gradient." + key] = gradient.flatten()[::5].clone()
    save_file({key: value.contiguous() for key, value in out.items()}, folder / "expected.safetensors")


def make_lora(name, targets, folder, models):
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(models / name, dtype=torch.float32, attn_implementation="eager").eval()
    config = LoraConfig(r=3, lora_alpha=5, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=name == "gpt2")
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if "lora_B" in key:
                parameter.normal_(0, 0.2)
        logits = adapted(load_file(models / name / "expected.safetensors")["ids"]).logits
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config_path = folder / "adapter_config.json"
    config_path.write_text(config_path.read_text().replace(str(models / name), name))
    save_file({"logits": logits.contiguous()}, folder / "expected.safetensors")


LLAMA_PARTS = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
               "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
               "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
               "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
               "mlp.down_proj": "ffn_down"}
GPT2_PARTS = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
              "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
       "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"}


def gguf_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem in TOP:
        return f"{TOP[stem]}.{kind}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{LLAMA_PARTS.get(part) or GPT2_PARTS[part]}.{kind}"


def neighbouring_pairs(weight, heads):  # `permute` of llama.cpp's converter
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def llama3_factors(rope, head_dim):  # `generate_extra_tensors` of llama.cpp's converter
    wavelengths = 2 * torch.pi * rope["rope_theta"] ** (torch.arange(0, head_dim, 2) / head_dim)
    low, high, context = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    smooth = ((context / wavelengths - low) / (high - low)).clamp(0, 1)
    return 1 / ((1 - smooth) / rope["factor"] + smooth)


def add_rope(writer, config):
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, config.head_dim).float().numpy())


def make_small(name, settings, folder):
    model = random_model(name, settings)
    ids = torch.randint(3, SMALL["vocab_size"], (1, 48))
    with torch.no_grad():
        save_file({"ids": ids, "logits": model(ids).logits}, folder / f"small_{name}.safetensors")
    with tempfile.TemporaryDirectory() as saved:
        copy.deepcopy(model).to(torch.bfloat16).save_pretrained(f"{saved}/{name}")
        make_gguf(name, folder / f"small_{name}.gguf", pathlib.Path(saved))


def make_gguf(name, path, models):
    config = AutoConfig.from_pretrained(models / name)
    arch = config.model_type
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", 4 * config.hidden_size))
    writer.add_head_count(config.num_attention_heads)
    if arch == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        if getattr(config, "head_dim", None) and config.head_dim * config.num_attention_heads != config.hidden_size:
            writer.add_key_length(config.head_dim)
            writer.add_value_length(config.head_dim)
        add_rope(writer, config)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for key, tensor in load_file(models / name / "model.safetensors").items():
        if arch == "gpt2" and tensor.dim() == 2 and any(part in key for part in ("c_attn", "c_proj", "c_fc")):
            tensor = tensor.t().contiguous()
        if arch == "llama" and "q_proj" in key:
            tensor = neighbouring_pairs(tensor, config.num_attention_heads)
        if arch == "llama" and "k_proj" in key:
            tensor = neighbouring_pairs(tensor, config.num_key_value_heads)
        if tensor.dim() == 1:
            writer.add_tensor(gguf_name(key), tensor.float().numpy())
        else:
            writer.add_tensor(gguf_name(key), tensor.contiguous().view(torch.uint8).numpy(),
                              raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "language"
    parser.add_argument("--out", type=pathlib.Path, default=root)
    arguments = parser.parse_args()
    for name, settings in MODELS.items():
        make(name, settings, arguments.out / name)
    make_lora("llama", ["q_proj", "v_proj", "down_proj"], arguments.out / "lora_llama", arguments.out)
    make_lora("gpt2", ["c_attn", "mlp.c_proj"], arguments.out / "lora_gpt2", arguments.out)
    for name in ("llama", "qwen2", "gpt2"):
        make_gguf(name, arguments.out / f"{name}.gguf", arguments.out)
    for name, settings in SMALL_MODELS.items():
        make_small(name, settings, arguments.out)


if __name__ == "__main__":
    main()
