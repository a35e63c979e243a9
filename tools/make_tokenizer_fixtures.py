#!/usr/bin/env python3
"""Makes tests/fixtures/tokenizers: small vocabularies in every form that llorch reads, and texts with their ids.

The vocabularies are trained on text that this script makes up. Expected ids come from the sentencepiece and tokenizers
packages, never from this project's own code.

    python3 tools/make_tokenizer_fixtures.py
"""

import io
import json
import random
from pathlib import Path

import gguf
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from fixtures.tokenizer_cases import TEXTS

OUT = Path(__file__).resolve().parent.parent / "tests/fixtures/tokenizers"
MARK = "\u2581"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MADE_BY = f"tools/make_tokenizer_fixtures.py; sentencepiece {sentencepiece.__version__}, tokenizers {tokenizers.__version__}"
WORDS = (
    "the a and to was in of it she he they said with little big red blue dog cat bird tree park ball mom friend happy sad "
    "play played run ran see saw look looked find found want wanted one two three day time home house water sun rain "
    "don't it's I'm you're we'll naïve café straße über привет мир 你好 世界 こんにちは 123 42 2024 x = y + 1;"
).split()


def made_up_text(seed: int, lines: int) -> list[str]:
    """Sentences of words from the list above, some with odd spaces and punctuation."""
    source = random.Random(seed)
    out = []
    for _ in range(lines):
        words = [source.choice(WORDS) for _ in range(source.randrange(3, 14))]
        if source.random() < 0.5:
            words[0] = words[0].capitalize()
        line = source.choice(("  ", " ")).join(words) if source.random() < 0.1 else " ".join(words)
        out.append(line + source.choice((".", "!", "?", ",", "...", "")))
    return out


def texts() -> list[str]:
    """The common list, special tokens in several places, and random mixtures."""
    source = random.Random(5)
    parts = WORDS + ["<s>", "</s>", " ", "  ", "\n", "\t", "'", "é", "e\u0301", "\U0001f999", MARK, "!", "-", "9", "<0x41>"]
    mixed = ["".join(source.choice(parts) for _ in range(source.randrange(1, 25))) for _ in range(200)]
    return TEXTS + ["<s>a</s> b", " <s> a", "a<s>", "<s><s>", "<unk>", f"a{MARK}b {MARK}"] + mixed


def write_cases(name: str, tokenizer: str, rows: list[dict]) -> None:
    head = json.dumps({"format": 1, "tokenizer": tokenizer, "made_by": MADE_BY})
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    (OUT / name).write_text(f'{head[:-1]},\n "cases": [\n{lines}\n ]}}\n', encoding="utf-8")
    print(f"{name}: {len(rows)} texts")


def train_sentencepiece() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(made_up_text(1, 2000)), model_writer=model, model_type="bpe", vocab_size=500,
        byte_fallback=True, character_coverage=0.999, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, split_digits=True, num_threads=1, minloglevel=2,
    )
    return model.getvalue()


def write_spm_gguf(proto, path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([p.piece.encode() for p in proto.pieces])
    writer.add_token_scores([p.score for p in proto.pieces])
    writer.add_token_types([p.type for p in proto.pieces])
    for add, value in ((writer.add_bos_token_id, 1), (writer.add_eos_token_id, 2), (writer.add_unk_token_id, 0),
                       (writer.add_add_bos_token, True), (writer.add_add_eos_token, False)):
        add(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def spm_as_bpe(proto) -> models.BPE:
    """The same vocabulary with its merges spelled out: best score first."""
    ids = {p.piece: i for i, p in enumerate(proto.pieces)}
    merges = []
    for p in proto.pieces:
        if p.type == 1:
            merges += [(p.score, p.piece[:i], p.piece[i:]) for i in range(1, len(p.piece)) if p.piece[:i] in ids and p.piece[i:] in ids]
    merges.sort(key=lambda m: -m[0])
    return models.BPE(vocab=ids, merges=[(a, b) for _, a, b in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def finish_spm(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def hugging_face_rows(tokenizer: Tokenizer) -> list[dict]:
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.encode_special_tokens = True
    rows = []
    for text in texts():
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({"text": text, "ids": ids, "ids_special_as_text": plain.encode(text, add_special_tokens=False).ids,
                     "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    return rows


def make_spm() -> None:
    model = train_sentencepiece()
    (OUT / "spm.model").write_bytes(model)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    write_spm_gguf(proto, OUT / "spm.gguf")
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    rows = []
    for text in texts():
        if "\x00" in text:
            continue  # the package's interface ends a text there
        ids = reference.encode(text)
        rows.append({"text": text, "ids_special_as_text": ids, "decoded": reference.decode(ids)})
    write_cases("spm.cases.json", "spm.model", rows)

    prepend = Tokenizer(spm_as_bpe(proto))
    prepend.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    first = Tokenizer(spm_as_bpe(proto))
    first.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="first", split=False)
    split = Tokenizer(spm_as_bpe(proto))
    split.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always", split=True)
    for name, tokenizer in (("spm_prepend", prepend), ("spm_first", first), ("spm_split", split)):
        (OUT / name).mkdir(exist_ok=True)
        finish_spm(tokenizer).save(str(OUT / name / "tokenizer.json"), pretty=False)
        write_cases(f"{name}.cases.json", f"{name}/tokenizer.json", hugging_face_rows(tokenizer))


def make_llama3() -> None:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])
    trainer = trainers.BpeTrainer(vocab_size=600, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(made_up_text(2, 2000), trainer)
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    begin = tokenizer.token_to_id(special[0])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{special[0]} $A", pair=f"{special[0]} $A {special[0]} $B:1", special_tokens=[(special[0], begin)]),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    (OUT / "llama3").mkdir(exist_ok=True)
    tokenizer.save(str(OUT / "llama3/tokenizer.json"), pretty=False)
    write_cases("llama3.cases.json", "llama3/tokenizer.json", hugging_face_rows(tokenizer))


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    make_spm()
    make_llama3()


if __name__ == "__main__":
    main()
