"""Writes GPT-2 models as GGUF: metadata keys, tensor names and types, shared by the converter and the model generator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import gguf
import torch

from gguf_common import FILE_TYPES, ByteLevelVocabulary as Vocabulary, add_byte_level, add_tensor, finish


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


def write_gpt2(
    out: Path, shape: Shape, vocabulary: Vocabulary | None, tensors: Iterable[tuple[str, torch.Tensor]], kind: str
) -> list[str]:
    """`tensors` have canonical names and orientation ([out, in]); vectors and positions stay f32 whatever `kind` is.

    Returns notes about tensors that could not be written in `kind`.
    """
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
        add_byte_level(writer, vocabulary)
    notes = [add_tensor(writer, name, tensor, kind, name == "position_embd.weight") for name, tensor in tensors]
    finish(writer)
    return [note for note in notes if note]
