"""The tokenizer files of a Llama model directory, made from a SentencePiece BPE model."""

import json
from pathlib import Path

import sentencepiece

SPACE = "\u2581"


def merges_of(pieces: list[str], scores: list[float]) -> list[tuple[str, str]]:
    """The pairs that may join, best first: each cut of a piece into two pieces, by the score of the whole."""
    rank = {piece: index for index, piece in enumerate(pieces)}
    merges = []
    for whole, score in zip(pieces, scores):
        cuts = [(whole[:at], whole[at:]) for at in range(1, len(whole))]
        pairs = [pair for pair in cuts if pair[0] in rank and pair[1] in rank]
        merges += [(score, pair) for pair in sorted(pairs, key=lambda pair: (rank[pair[0]], rank[pair[1]]))]
    merges.sort(key=lambda merge: -merge[0])
    return [pair for _, pair in merges]


def tokenizer_json(processor: sentencepiece.SentencePieceProcessor) -> dict:
    """The same tokenizer for the `tokenizers` library: BPE with byte fallback, a space before the text."""
    size = processor.vocab_size()
    pieces = [processor.id_to_piece(index) for index in range(size)]
    special = [index for index in range(size) if processor.is_control(index) or processor.is_unknown(index)]
    plain = [index for index in range(size) if index not in special and not processor.is_byte(index)]
    merges = merges_of([pieces[index] for index in plain], [processor.get_score(index) for index in plain])
    begin = processor.id_to_piece(processor.bos_id())
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": pieces[index], "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for index in special
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": begin, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {begin: {"id": begin, "ids": [processor.bos_id()], "tokens": [begin]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE", "dropout": None, "unk_token": pieces[processor.unk_id()], "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": {piece: index for index, piece in enumerate(pieces)},
            "merges": [list(pair) for pair in merges],
        },
    }


def write_tokenizer_files(model: bytes, out: Path, context: int) -> None:
    """tokenizer.model, tokenizer.json and tokenizer_config.json in the directory `out`."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    (out / "tokenizer.model").write_bytes(model)
    described = tokenizer_json(processor)
    (out / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": processor.id_to_piece(processor.bos_id()),
        "eos_token": processor.id_to_piece(processor.eos_id()),
        "unk_token": processor.id_to_piece(processor.unk_id()),
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
