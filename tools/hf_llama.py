"""Reads Hugging Face Llama and Mistral directories for the GGUF converter: hyperparameters and (sharded) tensors."""

import json
import re
from pathlib import Path
from typing import Iterator

import torch
from safetensors import safe_open

from gguf_llama import Rope, Shape, interleave_rows, write_llama
from hf_vocabulary import read_vocabulary

OUTER_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


# Keys that say how positions are scaled: the types that read them, and what changes nothing beside another type.
ROPE_SETTINGS = {
    "factor": (("linear", "llama3", "yarn"), (1,)),
    "low_freq_factor": (("llama3",), ()), "high_freq_factor": (("llama3",), ()),
    "beta_fast": (("yarn",), (0, 32)), "beta_slow": (("yarn",), (0, 1)),
    "mscale": (("yarn",), (0, 1)), "mscale_all_dim": (("yarn",), (0,)),
    "attention_factor": (("yarn",), (1,)), "attn_factor": (("yarn",), (1,)),
    "extrapolation_factor": (("yarn",), (1,)), "truncate": (("yarn",), (True,)),
    "short_factor": ((), ()), "long_factor": ((), ()), "mrope_section": ((), ()),
}


def said_once(config: dict, found: dict, place: str, key: str, otherwise):
    """A value that may stand in the object of rotary settings or beside it; in both it must be the same."""
    within, beside = found.get(key), config.get(key)
    if None not in (within, beside) and within != beside:
        raise ValueError(f"config.json: {place}.{key}: expected {beside}, as {key} says, found {within}")
    if within is not None:
        return within
    return otherwise if beside is None else beside


def check_rope(found: dict, place: str, scaling: str) -> None:
    """Refuses settings by kind of layer, and those that the type of scaling does not use."""
    for key, value in found.items():
        if isinstance(value, dict):
            raise ValueError(f"config.json: {place}.{key}: expected a setting of all layers, found an object")
        users, neutral = ROPE_SETTINGS.get(key, ((scaling,), ()))
        if value is not None and scaling not in users and value not in neutral:
            raise ValueError(f"config.json: {place}.{key}: expected nothing beside the type {scaling}, found {value}")


def read_rope(config: dict) -> Rope:
    """Base and scaling, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling`."""
    place = "rope_parameters" if config.get("rope_parameters") else "rope_scaling"
    found = config.get(place) or {}
    if (config.get("rope_scaling") or found) != found:
        raise ValueError("config.json: rope_scaling says something else than rope_parameters: keep one of them")
    scaling = found.get("rope_type") or found.get("type") or "default"
    if found.get("type") not in (None, scaling):
        raise ValueError(f"config.json: {place}.type: expected {scaling}, as rope_type says, found {found['type']}")
    if scaling == "none":
        scaling = "default"
    if scaling not in ("default", "linear", "llama3", "yarn"):
        raise ValueError(f"config.json: {place}.rope_type: expected default, linear, llama3 or yarn, found {scaling}")
    check_rope(found, place, scaling)
    base = said_once(config, found, place, "rope_theta", 10000.0)
    if scaling == "default":
        return Rope(base=base)
    context = config["max_position_embeddings"]
    if scaling in ("llama3", "yarn"):
        context = said_once(config, found, place, "original_max_position_embeddings", context)
    if scaling == "yarn":
        for key, neutral in (("attention_factor", ()), ("mscale", (0,)), ("mscale_all_dim", (0,)), ("truncate", (True,)),
                             ("attn_factor", (1,)), ("extrapolation_factor", (1,))):
            if found.get(key) is not None and found[key] not in neutral:
                raise ValueError(f"config.json: {place}.{key} = {found[key]} cannot be said in GGUF's `llama`")
    return Rope(
        base=base, scaling=scaling, factor=found["factor"], original_context=context,
        low_frequency=found.get("low_freq_factor") or 1.0, high_frequency=found.get("high_freq_factor") or 4.0,
        beta_fast=found.get("beta_fast") or 32.0, beta_slow=found.get("beta_slow") or 1.0,
    )


def read_shape(directory: Path, config: dict) -> Shape:
    """Hyperparameters from config.json; refuses what the architecture `llama` of GGUF cannot say."""
    if config.get("hidden_act", "silu") != "silu":
        raise ValueError(f"config.json: hidden_act {config['hidden_act']} has no GGUF key; `llama` files mean silu")
    heads = config["num_attention_heads"]
    mistral = config["model_type"] == "mistral"  # whose own defaults hold where the file says nothing
    rope = read_rope(config)
    context = config["max_position_embeddings"]
    if rope.scaling == "linear" and context < (config.get("max_sequence_length") or 0) <= context * rope.factor:
        context = config["max_sequence_length"]  # the other is of the model that this one was made from
    return Shape(
        name=directory.resolve().name, vocab=config["vocab_size"], context=context,
        width=config["hidden_size"], layers=config["num_hidden_layers"], heads=heads,
        kv_heads=config.get("num_key_value_heads", 8 if mistral else heads) or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        ffn=config["intermediate_size"], epsilon=config["rms_norm_eps"], rope=rope,
        window=(config.get("sliding_window", 4096) or 0) if mistral else 0,
    )


def stored_tensors(directory: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors of model.safetensors, or of the shards its index names; one shard is open at a time."""
    index = directory / "model.safetensors.index.json"
    files = ["model.safetensors"]
    if index.exists():
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    for file in files:
        with safe_open(directory / file, framework="pt") as shard:
            for name in sorted(shard.keys()):
                yield name, shard.get_tensor(name)


def canonical_tensors(directory: Path, shape: Shape, tied: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """(GGUF name, tensor) pairs, Q and K rows in GGUF's order; a tied head is left out."""
    for name, tensor in stored_tensors(directory):
        if name.endswith("rotary_emb.inv_freq") or (tied and name == "lm_head.weight"):
            continue
        if name in OUTER_NAMES:
            yield OUTER_NAMES[name], tensor
            continue
        match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
        if match is None or match[2] not in BLOCK_NAMES:
            raise ValueError(f"{directory}: unexpected tensor {name}")
        if match[2] in ("self_attn.q_proj", "self_attn.k_proj"):
            tensor = interleave_rows(tensor, shape.heads if match[2] == "self_attn.q_proj" else shape.kv_heads)
        yield f"blk.{match[1]}.{BLOCK_NAMES[match[2]]}.{match[3]}", tensor


def convert_llama(directory: Path, out: Path, kind: str) -> list[str]:
    """Reads `directory`, writes `out`; returns notes about tensors that could not be written in `kind`."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    shape = read_shape(directory, config)
    tensors = canonical_tensors(directory, shape, config.get("tie_word_embeddings", False))
    return write_llama(out, shape, read_vocabulary(directory, config), tensors, kind)
