"""Tensor types and vocabularies of GGUF files, shared by the converters and the model generators."""

from dataclasses import dataclass

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType, LlamaFileType, TokenType

FILE_TYPES = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
    "q4_1": LlamaFileType.MOSTLY_Q4_1,
    "q5_0": LlamaFileType.MOSTLY_Q5_0,
    "q5_1": LlamaFileType.MOSTLY_Q5_1,
}
PLAIN_KINDS = ["f32", "f16", "bf16"]
QUANTIZED_KINDS = [kind for kind in FILE_TYPES if kind not in PLAIN_KINDS]


@dataclass
class ByteLevelVocabulary:
    """Byte-level BPE by id. `special` ids are control tokens; `end` closes a text; `pre` names the pre-tokenizer."""

    tokens: list[str]
    merges: list[str]
    special: set[int]
    end: int
    pre: str = "gpt-2"
    begin: int | None = None
    add_begin: bool = False
    template: str | None = None


@dataclass
class SentencePieceVocabulary:
    """SentencePiece BPE by id: of two neighbours that form a token, the one with the higher score joins first."""

    tokens: list[str]
    scores: list[float]
    types: list[TokenType]
    begin: int
    end: int
    unknown: int = 0
    add_begin: bool = True
    add_space_prefix: bool = True
    template: str | None = None


def add_byte_level(writer: gguf.GGUFWriter, vocabulary: ByteLevelVocabulary) -> None:
    """tokenizer.ggml.* of model `gpt2`."""
    types = [
        TokenType.CONTROL if index in vocabulary.special else TokenType.NORMAL
        for index in range(len(vocabulary.tokens))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.end if vocabulary.begin is None else vocabulary.begin)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_add_bos_token(vocabulary.add_begin)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)


def add_sentencepiece(writer: gguf.GGUFWriter, vocabulary: SentencePieceVocabulary) -> None:
    """tokenizer.ggml.* of model `llama`."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.types)
    writer.add_bos_token_id(vocabulary.begin)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_unk_token_id(vocabulary.unknown)
    writer.add_add_bos_token(vocabulary.add_begin)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(vocabulary.add_space_prefix)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)


def add_tensor(
    writer: gguf.GGUFWriter, name: str, tensor: torch.Tensor, kind: str, wide: bool = False
) -> str | None:
    """One tensor ([out, in]) in the type `kind`; vectors, and all when `wide`, stay f32.

    Returns a note when the rows do not divide into blocks of `kind` and f16 is written instead. Raises ValueError
    when a value does not fit f16.
    """
    values = tensor.detach().to(torch.float32).contiguous()
    note = None
    if kind in QUANTIZED_KINDS and not wide and values.dim() > 1:
        quantized = GGMLQuantizationType[kind.upper()]
        block, _ = gguf.GGML_QUANT_SIZES[quantized]
        if values.shape[-1] % block == 0:
            data = gguf.quants.quantize(values.numpy(), quantized)
            writer.add_tensor(name, data, raw_dtype=quantized)
            return None
        note = f"{name}: rows of {values.shape[-1]} are not whole blocks of {block}, written as f16"
        kind = "f16"
    if kind == "f32" or wide or values.dim() == 1:
        writer.add_tensor(name, values.numpy())
    elif kind == "bf16":
        bits = values.to(torch.bfloat16).view(torch.uint8).numpy()
        writer.add_tensor(name, numpy.ascontiguousarray(bits), raw_dtype=GGMLQuantizationType.BF16)
    else:
        half = values.to(torch.float16)
        if not torch.isfinite(half).all():
            raise ValueError(f"tensor {name}: a value does not fit f16 (largest {values.abs().max().item()}); use bf16")
        writer.add_tensor(name, half.numpy())
    return note


def finish(writer: gguf.GGUFWriter) -> None:
    """Writes header, metadata and tensors, and closes the file."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
