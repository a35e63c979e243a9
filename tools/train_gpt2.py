#!/usr/bin/env python3
"""Train a byte-level BPE and a small GPT-2 on a text file; write a Hugging Face model directory.

The text holds documents separated by the line `<|endoftext|>`. A share of the documents is held out; the weights with the
lowest loss on them are kept. Example:

    python3 tools/train_gpt2.py --text tinystories.txt --out models/tiny-gpt2
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AttentionInterface, GPT2Config, GPT2LMHeadModel

from train_common import (
    END_OF_TEXT, Ids, add_arguments, causal_attention, fit, read_documents, split_documents, write_record,
)


def train_tokenizer(documents: list[str], vocab_size: int) -> Tokenizer:
    """A GPT-2 style byte-level BPE: all 256 bytes, learned merges, and the end-of-text token as the last id."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator(
        documents,
        trainers.BpeTrainer(
            vocab_size=vocab_size - 1,
            min_frequency=2,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    learned = json.loads(learner.to_str())["model"]
    vocab = {**learned["vocab"], END_OF_TEXT: len(learned["vocab"])}
    merges = [tuple(merge) for merge in learned["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, out: Path, context: int) -> None:
    """tokenizer.json, and the same vocabulary as vocab.json + merges.txt + tokenizer_config.json."""
    tokenizer.save(str(out / "tokenizer.json"))
    bpe = json.loads(tokenizer.to_str())["model"]
    (out / "vocab.json").write_text(json.dumps(bpe["vocab"], ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2"] + [" ".join(merge) for merge in bpe["merges"]]
    (out / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "add_bos_token": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def encode_documents(tokenizer: Tokenizer, documents: list[str]) -> Ids:
    """Token ids of every document, each closed by the end-of-text id."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    return [encoding.ids + [end] for encoding in tokenizer.encode_batch(documents)]


class PooledDropout(torch.nn.Module):
    """Dropout whose masks are random slices of one pool: drawing fresh masks costs a sixth of a step on a CPU."""

    pool = torch.empty(0)

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0:
            return x
        if PooledDropout.pool.numel() < 8 * x.numel():
            PooledDropout.pool = (torch.rand(8 * x.numel()) >= self.p).to(torch.bfloat16) / (1.0 - self.p)
        start = int(torch.randint(0, PooledDropout.pool.numel() - x.numel(), ()))
        return x * PooledDropout.pool[start : start + x.numel()].view_as(x)


AttentionInterface.register("train_gpt2_causal", causal_attention)


def prepare_for_training(model: GPT2LMHeadModel, dropout: float) -> None:
    """Swap in the faster attention and dropout of this file."""
    model.config._attn_implementation = "train_gpt2_causal"
    model.transformer.drop = PooledDropout(dropout)
    for block in model.transformer.h:
        block.attn.resid_dropout = PooledDropout(dropout)
        block.mlp.dropout = PooledDropout(dropout)
        block.mlp.act = torch.nn.GELU(approximate="tanh")  # the same function as gelu_new, fused


def save_model(model: GPT2LMHeadModel, state: dict[str, torch.Tensor], out: Path, end: int) -> None:
    """config.json, generation_config.json and model.safetensors in f16."""
    config = GPT2Config.from_dict(model.config.to_dict())
    half = GPT2LMHeadModel(config)
    half.load_state_dict(state)
    half.half()
    half.generation_config = transformers.GenerationConfig(bos_token_id=end, eos_token_id=end, pad_token_id=end)
    half.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)


def train(args: argparse.Namespace) -> None:
    """The whole run: tokenizer, split, loop, best weights, training.json."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    args.out.mkdir(parents=True, exist_ok=True)

    train_texts, held_out_texts = split_documents(read_documents(args.text), args.held_out, args.seed)
    tokenizer = train_tokenizer(train_texts, args.vocab)
    save_tokenizer(tokenizer, args.out, args.context)
    end = tokenizer.token_to_id(END_OF_TEXT)
    train_ids = encode_documents(tokenizer, train_texts)
    held_out_ids = encode_documents(tokenizer, held_out_texts)
    print(
        f"{len(train_ids)} + {len(held_out_ids)} documents, {sum(map(len, train_ids))} training tokens, "
        f"vocabulary {end + 1}", flush=True,
    )

    config = GPT2Config(
        vocab_size=end + 1, n_positions=args.context, n_embd=args.width, n_layer=args.layers, n_head=args.heads,
        activation_function="gelu_new", resid_pdrop=args.dropout, embd_pdrop=args.dropout, attn_pdrop=0.0,
        bos_token_id=end, eos_token_id=end, tie_word_embeddings=True,
    )
    model = GPT2LMHeadModel(config)
    prepare_for_training(model, args.dropout)
    figures = fit(
        model, ".h.", train_ids, held_out_ids, args, save=lambda state: save_model(model, state, args.out, end)
    )
    final = GPT2LMHeadModel.from_pretrained(args.out, dtype=torch.float32)
    write_record(final, train_ids, held_out_ids, held_out_texts, figures, args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--vocab", type=int, default=2048, help="size with the 256 bytes and <|endoftext|>")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--heads", type=int, default=3)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
