"""Writes GPT-2 models as GGUF: metadata keys, tensor names and types, shared by the converter and the model generator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import gguf
import numpy
import torch

FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
}


@dataclass
class Shape:
    """The hyperparameters a GPT-2 GGUF carries."""

    name: str
    vocab: int
    context: int
    width: int
    layers: int
    heads: int
    ffn: int
    epsilon: float


@dataclass
class Vocabulary:
    """Byte-level BPE by id. `special` ids are control tokens; `end` is the end-of-text id."""

    tokens: list[str]
    merges: list[str]
    special: set[int]
    end: int


def write_gpt2(
    out: Path, shape: Shape, vocabulary: Vocabulary | None, tensors: Iterable[tuple[str, torch.Tensor]], kind: str
) -> None:
    """`tensors` have canonical names and orientation ([out, in]); vectors and positions stay f32 whatever `kind` is."""
    writer = gguf.GGUFWriter(str(out), "gpt2")
    writer.add_name(shape.name)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(FILE_TYPES[kind])
    if vocabulary is None:
        writer.add_tokenizer_model("none")
    else:
        add_vocabulary(writer, vocabulary)
    for name, tensor in tensors:
        add_tensor(writer, name, tensor, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """tokenizer.ggml.*, pre-tokenizer `gpt-2`."""
    types = [
        gguf.TokenType.CONTROL if index in vocabulary.special else gguf.TokenType.NORMAL
        for index in range(len(vocabulary.tokens))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.end)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_add_bos_token(False)


def add_tensor(writer: gguf.GGUFWriter, name: str, tensor: torch.Tensor, kind: str) -> None:
    """One tensor in the type its name and `kind` ask for."""
    wide = tensor.detach().to(torch.float32).contiguous()
    if kind == "f32" or wide.dim() == 1 or name == "position_embd.weight":
        writer.add_tensor(name, wide.numpy())
    elif kind == "f16":
        half = wide.to(torch.float16)
        if not torch.isfinite(half).all():
            raise ValueError(f"tensor {name}: a value does not fit f16 (largest {wide.abs().max().item()}); use bf16")
        writer.add_tensor(name, half.numpy())
    else:
        bits = wide.to(torch.bfloat16).view(torch.uint8).numpy()
        writer.add_tensor(name, numpy.ascontiguousarray(bits), raw_dtype=gguf.GGMLQuantizationType.BF16)
