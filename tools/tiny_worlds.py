#!/usr/bin/env python3
"""Writes tiny worlds for language models, whose truth is known exactly: tokenizer, configurations of a teacher and a
smaller student (no weights), text and records. Needs Python's standard library only; equal arguments, equal files.

    tools/tiny_worlds.py OUT [--world markov|sums|facts|all] [--seed N]

OUT/<world>/teacher, student   config.json, tokenizer.json, tokenizer_config.json: a llama of two layers
OUT/<world>/train.txt, held_out.txt   text, a document a line; the line break is the beginning-of-text token
OUT/<world>/*.jsonl            records: prompt, completion, reference (and, in facts, the context)
OUT/<world>/truth.json         what is known: markov: nats a token of held_out.txt under the chain that wrote it

markov  letters of a second-order Markov chain: every pair of letters has four successors
sums    column-wise addition with written-out carries, least significant column first, 12 columns:
        "58,47,36,...:" -> "31,21,01,..." is a digit and a carry for every column
facts   "know ann rome", "find ann rome": some facts for the weights, some that are only ever read in a context
"""
import argparse
import json
import math
import pathlib
import random

END = "\n"


def byte_alphabet():
    """GPT-2's printable character of every byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(rest)}}


def pair_merges(words):
    """Byte-pair merges, the most frequent first, until every word is one token."""
    parts, merges = [list(word) for word in words], []
    while True:
        counts = {}
        for word in parts:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return merges
        best = max(sorted(counts), key=counts.get)
        merges.append(best)
        for word in parts:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == best:
                    word[at:at + 2] = ["".join(best)]
                at += 1


def write_model(folder, characters, words, layers, hidden, positions, heads=4):
    """A llama without weights and its byte-level tokenizer, over `characters` and whole `words` only."""
    folder.mkdir(parents=True, exist_ok=True)
    printable = byte_alphabet()
    spell = lambda text: "".join(printable[byte] for byte in text.encode())
    merges = pair_merges([spell(word) for word in words])
    tokens = list(dict.fromkeys([spell(END), *map(spell, sorted(characters)), *("".join(pair) for pair in merges)]))
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                 "pre_tokenizer": level, "post_processor": level, "decoder": level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                           "vocab": {token: i for i, token in enumerate(tokens)},
                           "merges": [" ".join(pair) for pair in merges]}}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": len(tokens),
              "hidden_size": hidden, "intermediate_size": 3 * hidden, "num_hidden_layers": layers,
              "num_attention_heads": heads, "num_key_value_heads": heads // 2, "head_dim": hidden // heads,
              "hidden_act": "silu", "max_position_embeddings": positions, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "attention_bias": False, "mlp_bias": False, "initializer_range": 0.08, "tie_word_embeddings": True,
              "bos_token_id": 0, "eos_token_id": None, "pad_token_id": None, "torch_dtype": "float32"}
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast",
                                                  "bos_token": spell(END), "clean_up_tokenization_spaces": False})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_records(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def question(prompt, answer, end="", **more):
    return {"prompt": prompt, "completion": answer + end, "reference": answer, **more}


def write_markov(folder, rng, letters="abcdefghij", line_end=0.02):
    weights = [0.55, 0.25, 0.15, 0.05]
    successors = {(a, b): rng.sample(letters, 4) for a in letters for b in letters}
    # Behind a line break: any first letter, then the first letter alone decides.
    firsts = {a: rng.sample(letters, 4) for a in letters}

    def text(length):
        written, nats, a, b = [END], 0.0, "", ""
        while len(written) < length:
            if b and rng.random() < line_end:
                nats -= math.log(line_end)
                nxt, a, b = END, "", ""
            else:
                nats -= math.log(1 - line_end) if b else 0
                rank = rng.choices(range(4), weights)[0]
                nxt = (successors[a, b] if a else firsts[b])[rank] if b else rng.choice(letters)
                nats += math.log(len(letters)) if not b else -math.log(weights[rank])
                a, b = b, nxt
            written.append(nxt)
        return "".join(written), nats / (length - 1)

    (folder / "train.txt").write_text(text(600_000)[0])
    held_out, nats = text(20_000)
    (folder / "held_out.txt").write_text(held_out)
    write_json(folder / "truth.json", {"nats_per_token": nats})
    for name, layers, hidden in (("teacher", 2, 64), ("student", 2, 32)):
        write_model(folder / name, letters, [], layers, hidden, 256)


def addition(rng, columns=12):
    a, b = ([rng.randrange(10) for _ in range(columns)] for _ in range(2))
    carry, steps = 0, []
    for x, y in zip(a, b):
        carry, digit = divmod(x + y + carry, 10)
        steps.append(f"{digit}{carry}")
    return ",".join(f"{x}{y}" for x, y in zip(a, b)) + ":", ",".join(steps)


def write_sums(folder, rng):
    known = set()

    def records(count):
        found = []
        while len(found) < count:
            prompt, answer = addition(rng)
            if prompt not in known:
                known.add(prompt)
                found.append(question(prompt, answer, END))
        return found

    write_records(folder / "answers.jsonl", records(200))
    held_out, train = records(200), records(20_000)
    for name, part in (("train", train), ("held_out", held_out)):
        (folder / f"{name}.txt").write_text(END + "".join(r["prompt"] + r["completion"] for r in part))
    write_records(folder / "train.jsonl", train)
    for name, layers, hidden in (("teacher", 2, 64), ("student", 2, 48)):
        write_model(folder / name, "0123456789,:", [], layers, hidden, 256)


NAMES = ("ann bob cara dan eva finn gina hugo ida jack kim leo mia ned olga paul rita sam tina uwe vera walt yara zoe "
         "abe bea carl dora emil flora gus hanna igor jane kurt lena max nina otto pia").split()
CITIES = "rome oslo bern paris cairo lima quito delhi tokyo seoul milan dakar".split()


def write_facts(folder, rng):
    """Old facts are in the text; new names occur in contexts only, every time with another city, until they are taught."""
    names = rng.sample(NAMES, len(NAMES))
    old = {name: rng.choice(CITIES) for name in names[:20]}
    new = {name: rng.choice(CITIES) for name in names[20:36]}
    ask = "find {}".format

    # A name has one of three places in a context. Where it was at any place, a question could only be answered by
    # comparing names, which models of this size did not learn within a minute.
    groups = [names[place::3] for place in range(3)]

    def random_facts(name=None, city=None):
        """A fact a place; one of them as given."""
        return [(name, city) if name in group else (rng.choice(group), rng.choice(CITIES)) for group in groups]

    def context(facts):
        return "know " + " . ".join(f"{name} {city}" for name, city in facts) + " ."

    def line():
        kind, (name, city) = rng.random(), rng.choice(sorted(old.items()))
        if kind < 0.15:
            return f"know {name} {city}"
        if kind < 0.4:
            return f"{ask(name)} {city}"
        facts = random_facts()
        asked = rng.choices(facts, k=4)
        return context(facts) + " " + " . ".join(f"{ask(name)} {city}" for name, city in asked)

    for name, count in (("train", 40_000), ("held_out", 1_000)):
        (folder / f"{name}.txt").write_text(END + "".join(line() + END for _ in range(count)))
    write_records(folder / "old.jsonl", [question(ask(name), " " + city) for name, city in sorted(old.items())])
    write_records(folder / "new.jsonl", [question(ask(name), " " + city) for name, city in sorted(new.items())])
    (folder / "new.txt").write_text(END + "".join(f"know {name} {city}{END}" for name, city in sorted(new.items())))
    reading = []
    for _ in range(200):
        facts = random_facts()
        name, city = rng.choice(facts)
        reading.append(question(f"{context(facts)} {ask(name)}", " " + city))
    write_records(folder / "reading.jsonl", reading)
    taught = []
    for name, city in sorted(new.items()):
        for _ in range(20):  # the fact among others, so that the teacher must read it
            taught.append(question(ask(name), " " + city, context=context(random_facts(name, city))))
    write_records(folder / "teach.jsonl", taught)
    words = [text for word in [*NAMES, *CITIES, "know", "find"] for text in (word, " " + word)]
    for name, hidden in (("teacher", 64), ("student", 32)):
        write_model(folder / name, set("".join(words)) | set(" ."), [*words, " ."], 2, hidden, 256)


WORLDS = {"markov": write_markov, "sums": write_sums, "facts": write_facts}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--world", choices=[*WORLDS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name, write in WORLDS.items():
        if arguments.world in (name, "all"):
            folder = arguments.out / name
            folder.mkdir(parents=True, exist_ok=True)
            write(folder, random.Random(f"{name} {arguments.seed}"))


if __name__ == "__main__":
    main()
