"""Reads the tokenizer of a Hugging Face Llama directory for the GGUF converter: SentencePiece or byte-level BPE."""

import json
from pathlib import Path

from gguf import TokenType

from gguf_common import ByteLevelVocabulary, SentencePieceVocabulary

# How GGUF calls the pattern that cuts a text into words before byte-level BPE.
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE_TOKENIZERS = {None: "gpt-2", LLAMA3_PATTERN: "llama-bpe"}


def load_json(path: Path) -> dict:
    """The object in a file, or an empty one when there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def first_id(value: int | list[int] | None) -> int | None:
    """config.json may list several end tokens; GGUF names one."""
    return value[0] if isinstance(value, list) else value


def read_template(directory: Path, settings: dict) -> str | None:
    """The (default) chat template: chat_template.jinja, or what tokenizer_config.json holds."""
    path = directory / "chat_template.jinja"
    if path.exists():
        return path.read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):
        return next((entry["template"] for entry in found if entry["name"] == "default"), None)
    return found


def steps_of(part: dict | None, key: str) -> list[dict]:
    """The steps of a normalizer, pre-tokenizer or post-processor of tokenizer.json, whether or not it is a sequence."""
    if not part:
        return []
    return part[key] if part["type"] == "Sequence" else [part]


def adds_begin(described: dict, settings: dict, default: bool) -> bool:
    """Whether a text begins with the begin token: what the post-processor does, else what the settings say."""
    for step in steps_of(described.get("post_processor"), "processors"):
        if step["type"] == "TemplateProcessing":
            return "SpecialToken" in step["single"][0]
    found = settings.get("add_bos_token")
    return default if found is None else found


def with_added(
    tokens: list[str], types: list[TokenType], added: list[dict], size: int
) -> tuple[list[str], list[TokenType]]:
    """Tokens and types by id with the added tokens in their places; holes up to `size` become unused tokens."""
    tokens = tokens + [f"[PAD{index}]" for index in range(len(tokens), size)]
    types = types + [TokenType.UNUSED] * (size - len(types))
    for entry in added:
        if entry["id"] >= size:
            raise ValueError(f"tokenizer.json: added token {entry['content']} has id {entry['id']}, vocab_size is {size}")
        if types[entry["id"]] != TokenType.UNKNOWN:
            types[entry["id"]] = TokenType.CONTROL if entry["special"] else TokenType.USER_DEFINED
        tokens[entry["id"]] = entry["content"]
    return tokens, types


def type_of_piece(piece: str, unknown: str) -> TokenType:
    """Normal, unknown, or byte by the look of the piece (`<0x41>`)."""
    if piece == unknown:
        return TokenType.UNKNOWN
    is_byte = len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
    return TokenType.BYTE if is_byte else TokenType.NORMAL


def from_sentencepiece(path: Path, added: list[dict], size: int) -> tuple[list[str], list[float], list[TokenType], bool]:
    """(tokens, scores, types, whether a space goes before a text) of tokenizer.model."""
    import sentencepiece  # only for directories that have such a file

    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    tokens, scores, types = [], [], []
    for index in range(processor.vocab_size()):
        tokens.append(processor.id_to_piece(index))
        scores.append(processor.get_score(index))
        flags = {
            TokenType.UNKNOWN: processor.is_unknown(index), TokenType.CONTROL: processor.is_control(index),
            TokenType.BYTE: processor.is_byte(index), TokenType.UNUSED: processor.is_unused(index),
        }
        types.append(next((kind for kind, holds in flags.items() if holds), TokenType.NORMAL))
    tokens, types = with_added(tokens, types, added, size)
    scores += [-10000.0] * (size - len(scores))
    prefix = processor.encode("a", out_type=str)[0].startswith("\u2581")
    return tokens, scores, types, prefix


def from_byte_fallback(described: dict, size: int) -> tuple[list[str], list[float], list[TokenType], bool]:
    """The same from a tokenizer.json with byte fallback: the score of a token is the rank of its merges."""
    model = described["model"]
    by_id = {index: token for token, index in model["vocab"].items()}
    if sorted(by_id) != list(range(len(by_id))):
        raise ValueError(f"tokenizer.json: expected the ids of the vocabulary to be 0..{len(by_id) - 1}")
    tokens = [by_id[index] for index in range(len(by_id))]
    scores = [-float(len(model["merges"]) + index) for index in range(len(tokens))]
    seen = ""
    ranked: set[str] = set()
    for rank, merge in enumerate(model["merges"]):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        whole = left + right
        if whole != seen and whole in ranked:
            raise ValueError(f"tokenizer.json: merges that give {whole!r} do not follow each other; scores cannot say that")
        if whole != seen:
            scores[model["vocab"][whole]] = -float(rank)
        ranked.add(whole)
        seen = whole
    types = [type_of_piece(token, model["unk_token"]) for token in tokens]
    tokens, types = with_added(tokens, types, described.get("added_tokens", []), size)
    scores += [-10000.0 - len(model["merges"])] * (size - len(scores))
    steps = steps_of(described.get("normalizer"), "normalizers") + steps_of(described.get("pre_tokenizer"), "pretokenizers")
    prefix = any(
        step["type"] == "Prepend" or (step["type"] == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for step in steps
    )
    return tokens, scores, types, prefix


def from_byte_level(described: dict, size: int) -> ByteLevelVocabulary:
    """The byte-level BPE of tokenizer.json; begin, end and template are left for the caller."""
    model = described["model"]
    by_id = {index: token for token, index in model["vocab"].items()}
    tokens = [by_id.get(index, f"[PAD{index}]") for index in range(len(by_id))]
    types = [TokenType.NORMAL] * len(tokens)
    tokens, types = with_added(tokens, types, described.get("added_tokens", []), size)
    pattern = None
    for step in steps_of(described.get("pre_tokenizer"), "pretokenizers"):
        if step["type"] == "Split":
            pattern = step["pattern"].get("Regex")
    if pattern not in PRE_TOKENIZERS:
        raise ValueError(f"tokenizer.json: the pre-tokenizer pattern {pattern!r} has no name known here")
    return ByteLevelVocabulary(
        tokens=tokens, merges=[m if isinstance(m, str) else " ".join(m) for m in model["merges"]],
        special={index for index, kind in enumerate(types) if kind != TokenType.NORMAL}, end=0,
        pre=PRE_TOKENIZERS[pattern],
    )


def read_vocabulary(directory: Path, config: dict) -> SentencePieceVocabulary | ByteLevelVocabulary | None:
    """tokenizer.model if there is one, else tokenizer.json, else None. Begin and end tokens are those of config.json."""
    described = load_json(directory / "tokenizer.json")
    settings = load_json(directory / "tokenizer_config.json")
    model_file = directory / "tokenizer.model"
    if not described and not model_file.exists():
        return None
    size, begin, end = config["vocab_size"], first_id(config.get("bos_token_id")), first_id(config.get("eos_token_id"))
    if begin is None or end is None:
        raise ValueError(f"config.json: expected bos_token_id and eos_token_id, found {begin} and {end}")
    template = read_template(directory, settings)
    is_byte_level = described and not described["model"].get("byte_fallback", False)
    if is_byte_level and not model_file.exists():
        vocabulary = from_byte_level(described, size)
        vocabulary.begin, vocabulary.end, vocabulary.template = begin, end, template
        vocabulary.add_begin = adds_begin(described, settings, default=False)
        return vocabulary
    if model_file.exists():
        tokens, scores, types, prefix = from_sentencepiece(model_file, described.get("added_tokens", []), size)
    else:
        tokens, scores, types, prefix = from_byte_fallback(described, size)
    unknown = types.index(TokenType.UNKNOWN) if TokenType.UNKNOWN in types else 0
    return SentencePieceVocabulary(
        tokens=tokens, scores=scores, types=types, begin=begin, end=end, unknown=unknown,
        add_begin=adds_begin(described, settings, default=True), add_space_prefix=prefix, template=template,
    )
