#!/usr/bin/env python3
"""Train a byte-level BPE and a small GPT-2 on a text file; write a Hugging Face model directory.

The text holds documents separated by the line `<|endoftext|>`. A share of the documents is held out; the weights with the
lowest loss on them are kept. Example:

    python3 tools/train_gpt2.py --text tinystories.txt --out models/tiny-gpt2
"""

import argparse
import json
import math
import platform
import random
import time
from pathlib import Path

import numpy
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AttentionInterface, GPT2Config, GPT2LMHeadModel

END_OF_TEXT = "<|endoftext|>"


def read_documents(path: Path) -> list[str]:
    """The documents of the file, stripped; the last one is dropped if the file ends in the middle of it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    documents = [part.strip() for part in text.split(END_OF_TEXT)]
    if not text.rstrip().endswith(END_OF_TEXT):
        documents.pop()
    return [document for document in documents if document]


def split_documents(documents: list[str], held_out_share: float, seed: int) -> tuple[list[str], list[str]]:
    """(training documents, held-out documents); copies of a document all fall on the same side."""
    unique = sorted(set(documents))
    random.Random(seed).shuffle(unique)
    held_out = set(unique[: max(1, round(len(unique) * held_out_share))])
    return [d for d in documents if d not in held_out], [d for d in documents if d in held_out]


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


def encode_documents(tokenizer: Tokenizer, documents: list[str]) -> list[list[int]]:
    """Token ids of every document, each closed by the end-of-text id."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    return [encoding.ids + [end] for encoding in tokenizer.encode_batch(documents)]


def pack_rows(documents: list[list[int]], width: int, aligned: bool) -> list[list[int]]:
    """Rows of `width` ids. Aligned rows begin with a document (the cut tail is dropped); others run on across borders."""
    rows: list[list[int]] = []
    row: list[int] = []
    for document in documents:
        rest = document
        while rest:
            take = rest[: width - len(row)]
            row += take
            rest = rest[len(take) :]
            if len(row) == width:
                rows.append(row)
                row = []
                if aligned:
                    rest = []
    return rows


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


def causal_attention(module, query, key, value, attention_mask, **_):
    """softmax(Q K^T / sqrt(head_dim)) V over full causal rows, as two batched products (faster here than the fused form)."""
    batch, heads, length, head_dim = query.shape
    mask = torch.full((length, length), -math.inf, dtype=query.dtype).triu(1).expand(batch * heads, -1, -1)
    scores = torch.baddbmm(
        mask, query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2), alpha=1.0 / math.sqrt(head_dim)
    )
    out = torch.bmm(scores.softmax(-1).to(value.dtype), value.flatten(0, 1))
    return out.view(batch, heads, length, head_dim).transpose(1, 2), None


AttentionInterface.register("train_gpt2_causal", causal_attention)


def prepare_for_training(model: GPT2LMHeadModel, dropout: float) -> None:
    """Swap in the faster attention and dropout of this file."""
    model.config._attn_implementation = "train_gpt2_causal"
    model.transformer.drop = PooledDropout(dropout)
    for block in model.transformer.h:
        block.attn.resid_dropout = PooledDropout(dropout)
        block.mlp.dropout = PooledDropout(dropout)
        block.mlp.act = torch.nn.GELU(approximate="tanh")  # the same function as gelu_new, fused


def held_out_loss(model: GPT2LMHeadModel, documents: list[list[int]], context: int, autocast: bool) -> float:
    """Mean negative log-likelihood per token, in nats, over the rows of the held-out documents."""
    rows = torch.tensor(pack_rows(documents, context + 1, aligned=False))
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for batch in rows.split(16):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                logits = model(batch[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), batch[:, 1:].flatten(), reduction="sum"
            )
            total, count = total + loss.item(), count + batch[:, 1:].numel()
    model.train()
    return total / count


def make_optimizers(model: GPT2LMHeadModel, weight_decay: float) -> list[tuple[torch.optim.Optimizer, float]]:
    """(optimizer, share of the peak rate): Muon for the matrices of the blocks, AdamW for embeddings, gains and biases."""
    hidden = [p for name, p in model.named_parameters() if p.dim() == 2 and ".h." in name]
    embeddings = [p for name, p in model.named_parameters() if p.dim() == 2 and ".h." not in name]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": embeddings, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [
        (torch.optim.Muon(hidden, lr=0.0, weight_decay=weight_decay, momentum=0.95), 10.0),
        (torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), eps=1e-8), 1.0),
    ]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 4 % of the steps, then a cosine down to 2 % of the peak."""
    warm_up = max(1, steps // 25)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return peak * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * progress)))


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
    began = time.time()

    train_texts, held_out_texts = split_documents(read_documents(args.text), args.held_out, args.seed)
    tokenizer = train_tokenizer(train_texts, args.vocab)
    save_tokenizer(tokenizer, args.out, args.context)
    end = tokenizer.token_to_id(END_OF_TEXT)
    train_ids = encode_documents(tokenizer, train_texts)
    held_out_ids = encode_documents(tokenizer, held_out_texts)
    n_train = sum(map(len, train_ids))
    print(f"{len(train_ids)} + {len(held_out_ids)} documents, {n_train} training tokens, vocabulary {end + 1}", flush=True)

    config = GPT2Config(
        vocab_size=end + 1, n_positions=args.context, n_embd=args.width, n_layer=args.layers, n_head=args.heads,
        activation_function="gelu_new", resid_pdrop=args.dropout, embd_pdrop=args.dropout, attn_pdrop=0.0,
        bos_token_id=end, eos_token_id=end, tie_word_embeddings=True,
    )
    model = GPT2LMHeadModel(config)
    prepare_for_training(model, args.dropout)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    optimizers = make_optimizers(model, args.weight_decay)
    n_parameters = sum(p.numel() for p in model.parameters())

    steps_per_epoch = n_train // (args.context + 1) // args.batch
    steps = max(1, int(steps_per_epoch * args.epochs))
    shuffler = random.Random(args.seed)
    rows: list[list[int]] = []
    best, best_step, step, epoch, history = math.inf, 0, 0, 0, []
    autocast = args.bf16
    model.train()
    while step < steps:
        if len(rows) < args.batch:
            order = train_ids[:]
            shuffler.shuffle(order)
            rows = pack_rows(order, args.context + 1, aligned=epoch % 2 == 0)
            shuffler.shuffle(rows)
            epoch += 1
        batch = torch.tensor([rows.pop() for _ in range(args.batch)])
        for optimizer, share in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * learning_rate(step, steps, args.lr)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            logits = model(batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        step += 1
        keep = min(0.99, step / (step + 10.0))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1.0 - keep)
        if step % args.evaluate_every == 0 or step == steps:
            current = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(average)
            score = held_out_loss(model, held_out_ids, args.context, autocast)
            history.append([step, round(loss.item(), 4), round(score, 4)])
            print(f"step {step}/{steps} train {loss.item():.4f} held out {score:.4f} {time.time() - began:.0f} s", flush=True)
            if score < best:
                best, best_step = score, step
                save_model(model, average, args.out, end)
            model.load_state_dict(current)

    final = GPT2LMHeadModel.from_pretrained(args.out, dtype=torch.float32)
    record = {
        "documents": {"training": len(train_ids), "held_out": len(held_out_ids)},
        "tokens": {"training": n_train, "held_out": sum(map(len, held_out_ids))},
        "held_out_bytes": sum(len(text.encode()) for text in held_out_texts),
        "parameters": n_parameters,
        "best_step": best_step,
        "steps": steps,
        "held_out_loss_of_f16_weights": round(held_out_loss(final, held_out_ids, args.context, False), 4),
        "history": history,
        "arguments": {k: v for k, v in vars(args).items() if k not in ("text", "out")},
        "minutes": round((time.time() - began) / 60, 1),
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__,
            "transformers": transformers.__version__, "tokenizers": tokenizers.__version__,
        },
    }
    print(json.dumps(record))
    (args.out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True, help="UTF-8 text, documents separated by <|endoftext|>")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write, with training.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vocab", type=int, default=2048, help="size with the 256 bytes and <|endoftext|>")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--heads", type=int, default=3)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4, help="rows of one context each per step")
    parser.add_argument("--epochs", type=float, default=16.0)
    parser.add_argument("--lr", type=float, default=1.5e-3, help="peak learning rate of AdamW; Muon's is ten times it")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--held-out", type=float, default=0.05, help="share of the documents")
    parser.add_argument("--evaluate-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-bf16", dest="bf16", action="store_false", help="train in f32 without autocast")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
