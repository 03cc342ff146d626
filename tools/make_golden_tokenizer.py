"""Writes tests/golden/language/tokenizers.json.gz: small byte-level BPE tokenizers of the four families, trained on the
text below with Hugging Face's `tokenizers`, and what `tokenizers` makes of 2,000 texts.

usage: make_golden_tokenizer.py [--smollm2 FILE.gguf [--export TOKENIZER.json]]

Texts are stored as one character per byte (Latin-1), since some are no UTF-8. Needs tokenizers; --smollm2 also needs
gguf: it adds the ids of the real SmolLM2 vocabulary (not the vocabulary) as smollm2_ids.json.gz.
"""

import argparse
import gzip
import json
import pathlib
import random
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "language"
TEXTS = 2000
VOCABULARY = 900

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

# Of our own; the many scripts are there to make merges within and across characters.
CORPUS = """
The teacher shows what it knows and the student writes it down; nobody has the books any more.
We don't know what they'll say, but it's clear that he'd rather wait until you're done. I've seen it, I'm sure.
WE'LL SEE WHAT'S LEFT: 12 apples, 345 pears and 6789 plums cost 10,203.45 euros on 2026-11-25 at 17:05:59.
def distil(teacher, student, steps=1000):
    for step in range(steps):
        loss = divergence(teacher(x), student(x))
        if loss < 1e-3: return student
\treturn None  # nothing learnt
Dry distillation is distillation without a liquid. The quick brown fox jumps over the lazy dog again and again.
https://example.org/path/to/file.html?query=value&other=1#top <b>bold</b> {"key": [1, 2, 3], "name": "value"}
Überall hört man, daß die Straßen größer werden; schöne Grüße aus Köln und Zürich. Où est passé l'été ? Ça va.
El niño pequeño comió una piña mañana por la mañana. Příliš žluťoučký kůň úpěl ďábelské ódy. İstanbul'da ılık çay.
Учитель показывает, что он знает, а ученик записывает это. Книг больше нет ни у кого.
Ο δάσκαλος δείχνει όσα ξέρει και ο μαθητής τα γράφει. Κανείς δεν έχει πια τα βιβλία.
המורה מראה את מה שהוא יודע והתלמיד כותב. المعلم يعرض ما يعرفه والطالب يكتب ما يراه.
शिक्षक जो जानता है वह दिखाता है और छात्र उसे लिख लेता है। ஆசிரியர் தனக்குத் தெரிந்ததைக் காட்டுகிறார்.
ครูแสดงสิ่งที่เขารู้และนักเรียนก็จดไว้ 老师展示他所知道的,学生把它写下来。先生は知っていることを見せ、生徒はそれを書き留める。
선생님은 아는 것을 보여 주고 학생은 그것을 적는다. მასწავლებელი აჩვენებს. ուսուցիչը ցույց է տալիս։ መምህሩ ያውቃል።
Thầy giáo cho thấy những gì ông biết và học sinh ghi lại. 😀 👍🏽 👩‍👩‍👧 🏳️‍🌈 🇩🇪 ❤️ ∀x∈ℝ: x²≥0 → ½ ≠ ⅔ … “quoted” ‘text’.
"""

PIECES = [
    "the", " teacher", " Student", "don't", "WE'LL", "it's", "I'VE", "you're", "'sand", "'S", "'tis", "'ſ", "'LLama",
    "’s", "''d",
    " 'm", "'", "''", "naïve", "Ångström", "\u212b", "Straße", "ﬁn", "ǅ", "İ", "ı", "ệ",
    "привет", " Мир", "ё", "Γειά", " σου", "שָׁלוֹם", " مرحبا", "السلام", "नमस्ते", "क्षि", "வணக்கம்", "สวัสดี",
    "ជំរាប", "བཀྲ",
    "你好", "世界", "日本語", "テスト", "が", "ひらがな", "한국어", "ქართული", "Հայ", "አማርኛ", "ᏣᎳᎩ", "𝒳𝓎𝔷", "𐍈",
    "𠜎", "😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☃", "1️⃣", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u0301",
    "\u0345",
    "0", "7", "12", "123", "1234", "12345678", " 42", "3.14", "1,000", "٣٤", "१२३", "Ⅷ", "½", "²³", "〇", "①", "໕",
    "x1y22z",
    " ", "  ", "   ", "    ", " " * 9, " " * 40, "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", "\r\n\r\n", " \n", "\n ",
    " \n \n", "\t\n",
    "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\x0b", "\x0c", "\x1c", "\x00", "\x7f", "\u180e",
    "!", "?!", "...", "…", "--", "—", "()", "{}", "[]", "<>", "<|", "|>", "##", "//", "==", "->", "_", "__init__",
    "@", "$", "€", "%",
    "“", "”", "«»", "。", "、", ":", "https://", "a.b", "e-mail", "C++", "!\n", "?\r\n\n", ")\n\n", ";\n    ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaa",
    "teacherteacherteacherteacher", "ababababababababababababababab",
]  # fmt: skip
MARKERS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>",
    "<think>", "</think>",
    "<|im_end", "|im_end|>", "<|endoftext|", "<|im_start|><|im_end|>", "<||im_end|>", "<tool_call>", "<repo_name>",
    "<reponame>",
    "<mask>", " <mask> ", "<right>", "  <both>\n", "alone", " alone", "aloneé", "café!", "Å<right>  ", "<mask><mask>",
]  # fmt: skip
INVALID = [
    b"\x80", b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xe2\x28\xa1", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80", b"\xe0\x80\xaf", b"\xc3", b"\xf0\x28\x8c\xbc",
]  # fmt: skip

PIECES += [unicodedata.normalize("NFD", piece) for piece in PIECES if not unicodedata.is_normalized("NFD", piece)]
MARKERS.append(unicodedata.normalize("NFD", "café!"))


def random_character(rng):
    while True:
        limit = rng.choice([0x250, 0x3000, 0x10000, 0x20000])
        character = chr(rng.randrange(limit))
        if unicodedata.category(character) not in ("Cn", "Cs", "Co"):
            return character


def make_texts():
    rng = random.Random(2026)
    texts = [b""] + [piece.encode() for piece in PIECES + MARKERS] + list(INVALID)
    while len(texts) < TEXTS:
        kind = rng.random()
        parts = []
        for _ in range(rng.randint(1, 7)):
            draw = rng.random()
            if draw < 0.12:
                parts.append("".join(random_character(rng) for _ in range(rng.randint(1, 3))).encode())
            elif kind < 0.2 and draw < 0.5:
                parts.append(rng.choice(MARKERS).encode())
            elif kind > 0.9 and draw < 0.4:
                parts.append(rng.choice(INVALID) if draw < 0.3 else bytes(rng.randrange(256) for _ in range(3)))
            else:
                parts.append(rng.choice(PIECES).encode())
        texts.append(b"".join(parts))
    return texts


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split_on(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), byte_level(False)])


def train(pre_tokenizer, alphabet=None, specials=(), normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(specials),
        initial_alphabet=alphabet or pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS.split("\n"), trainer)
    return tokenizer


def gpt2():
    tokenizer = train(byte_level(True))
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=True, special=True)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}


def smollm2():
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>"]
    # The published vocabulary lacks bytes that its training text did not hold; `tokenizers` drops them.
    alphabet = [c for c in pre_tokenizers.ByteLevel.alphabet() if c not in "ÀÁñòõö÷øùúûüýþÿĄĆēĔĖĝ"]
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)])
    tokenizer = train(digits, alphabet, specials)
    return tokenizer, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}


def llama3():
    tokenizer = train(split_on(LLAMA3), ignore_merges=True)
    # A word that no merge reaches: only ignore_merges finds it.
    saved = json.loads(tokenizer.to_str())
    saved["model"]["vocab"]["Ġliquid"] = len(saved["model"]["vocab"])
    saved["model"]["vocab"]["Ġpears"] = len(saved["model"]["vocab"])
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    names = ["begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id"]
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", normalized=False, special=True) for name in names])
    bos = "<|begin_of_text|>"
    template = processors.TemplateProcessing(
        single=[bos, "$A"], pair=[bos, "$A", f"{bos}:1", "$B:1"], special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer, {"bos_token": bos, "eos_token": {"content": "<|eot_id|>", "special": True}}


def qwen2():
    tokenizer = train(split_on(QWEN2), normalizer=normalizers.NFC())
    tokenizer.add_special_tokens(
        [AddedToken(name, normalized=False, special=True) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    )
    names = ("<tool_call>", "</tool_call>", "<think>", "</think>")
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in names])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}


def flags():
    """Every flag of an added token, on top of Qwen2's pipeline."""
    tokenizer, config = qwen2()
    tokenizer.add_tokens(
        [
            AddedToken("<mask>", lstrip=True, normalized=False, special=True),
            AddedToken("<right>", rstrip=True, normalized=False),
            AddedToken("<both>", lstrip=True, rstrip=True, normalized=True),
            AddedToken("alone", single_word=True, normalized=True),
            AddedToken("cafe\u0301!", normalized=True),
        ]
    )
    return tokenizer, config


def real_smollm2(path):
    import gguf

    fields = gguf.GGUFReader(path).fields
    read = lambda key: fields["tokenizer." + key].contents()
    tokens, merges = read("ggml.tokens"), [tuple(merge.split(" ")) for merge in read("ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, read("ggml.token_type")) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return tokenizer


def all_ids(tokenizer, texts, special):
    tokenizer.encode_special_tokens = not special
    return [tokenizer.encode(text.decode(errors="replace"), add_special_tokens=False).ids for text in texts]


def ids_entry(tokenizer, texts):
    """ids: special tokens are ordinary text. special: the same where special tokens count, if that differs."""
    plain, special = all_ids(tokenizer, texts, False), all_ids(tokenizer, texts, True)
    different = {str(i): b for i, (a, b) in enumerate(zip(plain, special)) if a != b}
    return {"ids": plain, "special": different}


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path = FOLDER / name
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{path.name}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smollm2")
    parser.add_argument("--export")
    arguments = parser.parse_args()
    texts = make_texts()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if arguments.smollm2:
        tokenizer = real_smollm2(arguments.smollm2)
        write("smollm2_ids.json.gz", ids_entry(tokenizer, texts))
        if arguments.export:
            tokenizer.encode_special_tokens = False
            tokenizer.save(arguments.export)
        return
    families = {}
    for make in (gpt2, smollm2, llama3, qwen2, flags):
        tokenizer, config = make()
        entry = {"tokenizer": json.loads(tokenizer.to_str()), "config": config, **ids_entry(tokenizer, texts)}
        tokenizer.encode_special_tokens = False
        entry["hello"] = tokenizer.encode("Hello, teacher", add_special_tokens=True).ids
        entry["decoded"] = tokenizer.decode(list(range(0, tokenizer.get_vocab_size(), 3)), skip_special_tokens=False)
        families[make.__name__] = entry
    write("tokenizers.json.gz", {"texts": [text.decode("latin-1") for text in texts], "families": families})


if __name__ == "__main__":
    main()
