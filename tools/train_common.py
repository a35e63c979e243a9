"""What the training scripts share: documents and rows, attention, optimizers, the training loop and its record.

The text holds documents separated by the line `<|endoftext|>`. A share of the documents is held out; the weights with the
lowest loss on them are kept.
"""

import argparse
import json
import math
import platform
import random
import time
from pathlib import Path
from typing import Callable

import numpy
import tokenizers
import torch
import transformers

END_OF_TEXT = "<|endoftext|>"
Ids = list[list[int]]


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


def causal_attention(module, query, key, value, attention_mask, **_):
    """softmax(Q K^T / sqrt(head_dim)) V over full causal rows, as two batched products (faster here than the fused form)."""
    batch, heads, length, head_dim = query.shape
    mask = torch.full((length, length), -math.inf, dtype=query.dtype).triu(1).expand(batch * heads, -1, -1)
    scores = torch.baddbmm(
        mask, query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2), alpha=1.0 / math.sqrt(head_dim)
    )
    out = torch.bmm(scores.softmax(-1).to(value.dtype), value.flatten(0, 1))
    return out.view(batch, heads, length, head_dim).transpose(1, 2), None


def held_out_loss(model: torch.nn.Module, documents: Ids, context: int, autocast: bool) -> float:
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


def make_optimizers(
    model: torch.nn.Module, blocks: str, weight_decay: float
) -> list[tuple[torch.optim.Optimizer, float]]:
    """(optimizer, share of the peak rate): Muon for the matrices of the blocks, AdamW for embeddings, gains and biases.

    A parameter belongs to a block when its name contains `blocks`.
    """
    hidden = [p for name, p in model.named_parameters() if p.dim() == 2 and blocks in name]
    embeddings = [p for name, p in model.named_parameters() if p.dim() == 2 and blocks not in name]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": embeddings, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [
        (torch.optim.Muon(hidden, lr=0.0, weight_decay=weight_decay, momentum=0.95), 10.0),
        (torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), eps=1e-8), 1.0),
    ]


def learning_rate(progress: float, peak: float) -> float:
    """Linear warm-up over the first 4 % of the run, then a cosine down to 2 % of the peak; `progress` in 0..1."""
    warm_up = 0.04
    if progress < warm_up:
        return peak * progress / warm_up
    return peak * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (progress - warm_up) / (1.0 - warm_up))))


def cross_entropy(model: torch.nn.Module, batch: torch.Tensor, autocast: bool) -> torch.Tensor:
    """Mean loss of predicting batch[:, 1:] from batch[:, :-1]."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        logits = model(batch[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


def epoch_rows(documents: Ids, args: argparse.Namespace, epoch: int, shuffler: random.Random) -> Ids:
    """One pass over the documents in a new order: even passes in rows that begin with a document, odd ones running on."""
    order = documents[:]
    shuffler.shuffle(order)
    aligned = epoch % 2 == 0
    width = args.aligned_width if aligned else args.context
    rows = pack_rows(order, width + 1, aligned)
    shuffler.shuffle(rows)
    return rows


def fit(
    model: torch.nn.Module,
    blocks: str,
    train_ids: Ids,
    held_out_ids: Ids,
    args: argparse.Namespace,
    save: Callable[[dict[str, torch.Tensor]], None],
) -> dict:
    """Trains `model`; calls `save` with the averaged weights each time they are the best so far. Returns the figures.

    The rate follows the share of the steps that is done, or of --minutes where that is further: a slow machine ends the
    same curve sooner.
    """
    began = time.time()
    average = {name: value.clone() for name, value in model.state_dict().items()}
    optimizers = make_optimizers(model, blocks, args.weight_decay)
    loss_of = torch.compile(cross_entropy, dynamic=False) if args.compile else cross_entropy
    n_train = sum(map(len, train_ids))
    tokens_a_step = args.batch * args.context
    steps = max(1, int(n_train // (tokens_a_step + args.batch) * args.epochs))
    shuffler = random.Random(args.seed)
    rows: Ids = []
    best, best_step, step, epoch, progress, history = math.inf, 0, 0, 0, 0.0, []
    model.train()
    while progress < 1.0:
        if not rows or len(rows) < tokens_a_step // (len(rows[0]) - 1):
            rows = epoch_rows(train_ids, args, epoch, shuffler)
            epoch += 1
        batch = torch.tensor([rows.pop() for _ in range(tokens_a_step // (len(rows[-1]) - 1))])
        for optimizer, share in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * learning_rate(max(progress, 1.0 / steps), args.lr)
        loss = loss_of(model, batch, args.bf16)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        step += 1
        progress = max(step / steps, (time.time() - began) / (60.0 * args.minutes) if args.minutes else 0.0)
        keep = min(args.average, step / (step + 10.0))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1.0 - keep)
        if step % args.evaluate_every == 0 or progress >= 1.0:
            current = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(average)
            score = held_out_loss(model, held_out_ids, args.context, args.bf16)
            history.append([step, round(loss.item(), 4), round(score, 4)])
            seconds = time.time() - began
            print(
                f"step {step}/{steps} ({100 * progress:.0f} %, pass {epoch}) train {loss.item():.4f} "
                f"held out {score:.4f} {seconds:.0f} s", flush=True,
            )
            if score < best:
                best, best_step = score, step
                save(average)
            model.load_state_dict(current)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "best_step": best_step,
        "steps": step,
        "passes": epoch,
        "history": history,
        "minutes": round((time.time() - began) / 60, 1),
    }


def write_record(
    final: torch.nn.Module, train_ids: Ids, held_out_ids: Ids, held_out_texts: list[str], figures: dict,
    args: argparse.Namespace, **versions: str,
) -> None:
    """training.json beside the weights: the run's figures, its arguments, and the held-out loss of `final` in float32."""
    record = {
        "documents": {"training": len(train_ids), "held_out": len(held_out_ids)},
        "tokens": {"training": sum(map(len, train_ids)), "held_out": sum(map(len, held_out_ids))},
        "held_out_bytes": sum(len(text.encode()) for text in held_out_texts),
        "held_out_loss_of_f16_weights": round(held_out_loss(final, held_out_ids, args.context, False), 4),
        **figures,
        "arguments": {k: v for k, v in vars(args).items() if k not in ("text", "out")},
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__,
            "transformers": transformers.__version__, "tokenizers": tokenizers.__version__, **versions,
        },
    }
    print(json.dumps(record))
    (args.out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser, **defaults) -> None:
    """The options all training scripts have; `defaults` override the values below."""
    parser.add_argument("--text", type=Path, required=True, help="UTF-8 text, documents separated by <|endoftext|>")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write, with training.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--aligned-width", type=int, default=512, help="length of the rows that begin with a document")
    parser.add_argument("--batch", type=int, default=4, help="rows of one context each per step")
    parser.add_argument("--epochs", type=float, default=16.0)
    parser.add_argument("--minutes", type=float, help="end the run within this time, and its rate with it")
    parser.add_argument("--lr", type=float, default=1.5e-3, help="peak learning rate of AdamW; Muon's is ten times it")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--average", type=float, default=0.99, help="share the moving average of the weights keeps a step")
    parser.add_argument("--held-out", type=float, default=0.05, help="share of the documents")
    parser.add_argument("--evaluate-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="torch.compile the loss (needs a C++ compiler)")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false", help="train in f32 without autocast")
    parser.set_defaults(**defaults)
