"""Writes Llama models as GGUF (architecture `llama`): metadata keys, rotary scaling, tensor names, the order of Q and K rows."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable

import gguf
import torch

from gguf_common import (
    FILE_TYPES, QUANTIZED_KINDS, ByteLevelVocabulary, SentencePieceVocabulary, add_byte_level, add_sentencepiece,
    add_tensor, finish,
)


@dataclass
class Rope:
    """Rotary embedding: base, and scaling `none`, `linear`, `llama3` or `yarn` with what each of them needs."""

    base: float = 10000.0
    scaling: str = "none"
    factor: float = 1.0
    original_context: int = 0
    low_frequency: float = 1.0  # llama3
    high_frequency: float = 4.0
    beta_fast: float = 32.0  # yarn
    beta_slow: float = 1.0


@dataclass
class Shape:
    """The hyperparameters a Llama GGUF carries. Widths in elements; `window` is 0 when attention sees all positions."""

    name: str
    vocab: int
    context: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    epsilon: float
    rope: Rope = field(default_factory=Rope)
    window: int = 0


def interleave_rows(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a Q or K matrix (or bias) from the order of transformers to that of GGUF.

    transformers rotates row i of a head with row i + head_dim / 2; GGUF's `llama` rotates rows 2 i and 2 i + 1.
    """
    half = tensor.shape[0] // heads // 2
    return tensor.reshape(heads, 2, half, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape)


def llama3_divisors(rope: Rope, head_dim: int) -> torch.Tensor:
    """[head_dim / 2] divisors of the rotary frequencies, as Llama 3.1 defines them: long waves are stretched by `factor`."""
    divisors = []
    for pair in range(head_dim // 2):
        turns = rope.original_context * rope.base ** (-2.0 * pair / head_dim) / (2.0 * math.pi)
        if turns > rope.high_frequency:
            divisors.append(1.0)
        elif turns < rope.low_frequency:
            divisors.append(rope.factor)
        else:
            keep = (turns - rope.low_frequency) / (rope.high_frequency - rope.low_frequency)
            divisors.append(1.0 / ((1.0 - keep) / rope.factor + keep))
    return torch.tensor(divisors, dtype=torch.float32)


def add_rope(writer: gguf.GGUFWriter, rope: Rope, head_dim: int) -> None:
    """llama.rope.*; the divisors of llama3 are a tensor."""
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope.base)
    if rope.scaling == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope.factor)
    elif rope.scaling == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope.factor)
        writer.add_rope_scaling_orig_ctx_len(rope.original_context)
        writer.add_rope_scaling_yarn_beta_fast(rope.beta_fast)
        writer.add_rope_scaling_yarn_beta_slow(rope.beta_slow)
    elif rope.scaling == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, head_dim).numpy())
    elif rope.scaling != "none":
        raise ValueError(f"expected rotary scaling none, linear, llama3 or yarn, found {rope.scaling}")


def write_llama(
    out: Path,
    shape: Shape,
    vocabulary: SentencePieceVocabulary | ByteLevelVocabulary | None,
    tensors: Iterable[tuple[str, torch.Tensor]],
    kind: str,
) -> list[str]:
    """`tensors` have GGUF names, orientation ([out, in]) and row order; vectors stay f32 whatever `kind` is.

    Returns notes about tensors that could not be written in `kind`.
    """
    writer = gguf.GGUFWriter(str(out), "llama")
    writer.add_name(shape.name)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    if shape.window:
        writer.add_sliding_window(shape.window)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(FILE_TYPES[kind])
    if kind in QUANTIZED_KINDS:
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_rope(writer, shape.rope, shape.head_dim)
    if vocabulary is None:
        writer.add_tokenizer_model("none")
    elif isinstance(vocabulary, SentencePieceVocabulary):
        add_sentencepiece(writer, vocabulary)
    else:
        add_byte_level(writer, vocabulary)
    notes = [add_tensor(writer, name, tensor, kind) for name, tensor in tensors]
    finish(writer)
    return [note for note in notes if note]
