#!/usr/bin/env python3
"""Writes the README.md of a model directory made by train_gpt2.py: figures of the run and samples, all computed here.

    python3 tools/write_model_card.py models/tiny-gpt2 --about "Tells stories." --data "TinyStories, CDLA-Sharing-1.0"
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = "Once upon a time"

CARD = """# {name}

A GPT-2 of {parameters:,} parameters ({layers} layers, {width} wide, {heads} heads of {head_dim}, context {context}, `gelu_new`, tied head) with a
byte-level BPE of {vocab} tokens. {about}

| | |
|---|---|
| files | `model.safetensors` (f16), `config.json`, `tokenizer.json`; the same tokenizer as `vocab.json` + `merges.txt`; `training.json` (the figures of the run) |
| data | {data}; the text is not included |
| split | {train_documents} stories ({train_tokens:,} tokens) for training, {held_out_documents} held out ({held_out_tokens:,} tokens), no story on both sides |
| held-out loss | {loss:.4f} nats per token, {bits:.3f} bits per byte, of the f16 weights here computed in float32 |
| training | {steps} steps of {batch} x {context} tokens ({epochs:g} passes), {minutes:.0f} minutes of wall time with {threads} threads; the moving average of the weights at step {best_step} was kept |
| made by | `tools/train_gpt2.py --text TEXT --out models/{name}{flags}` |
| versions | {versions} |

It loads in transformers (`AutoModelForCausalLM`, `AutoTokenizer`); the samples below were made with them.

## Samples

transformers, float32. The prompt is `{prompt}`.

Greedy, {greedy_count} tokens:

> {greedy}

{sampled}
{peer}"""


def generate(model, ids: torch.Tensor, count: int, seed: int | None) -> list[int]:
    """New ids: greedy without a seed, else temperature 0.8 and top-k 40. Stops at the end-of-text token."""
    end = model.config.eos_token_id
    options = {"do_sample": False} if seed is None else {"do_sample": True, "temperature": 0.8, "top_k": 40}
    if seed is not None:
        torch.manual_seed(seed)
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, eos_token_id=end, pad_token_id=end, **options
    )
    new = out[0, ids.shape[1] :].tolist()
    return new[: new.index(end)] if end in new else new


def quote(text: str) -> str:
    """As a Markdown block quote."""
    return text.strip().replace("\n", "  \n> ")


def flags(arguments: dict) -> str:
    """All options that shape the result, whether they are the defaults or not."""
    skip = ("threads", "evaluate_every", "bf16")
    return "".join(f" --{key.replace('_', '-')} {value}" for key, value in arguments.items() if key not in skip)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--about", required=True, help="a sentence or two: what the model is for")
    parser.add_argument("--data", required=True, help="what it was trained on, and under which licence that comes")
    parser.add_argument("--peer-notes", type=Path, help="Markdown to append: what another program gave on this model")
    parser.add_argument("--tokens", type=int, default=200)
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    record = json.loads((args.model / "training.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    config = model.config
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    greedy = generate(model, ids, args.tokens, None)
    sampled = []
    for seed in (1, 2, 3):
        text = tokenizer.decode(generate(model, ids, args.tokens, seed))
        sampled.append(f"Temperature 0.8, top-k 40, `torch.manual_seed({seed})`:\n\n> {quote(PROMPT + text)}\n")
    loss = record["held_out_loss_of_f16_weights"]
    per_byte = loss * record["tokens"]["held_out"] / record["held_out_bytes"]
    card = CARD.format(
        name=args.model.resolve().name, about=args.about, data=args.data, parameters=record["parameters"], layers=config.n_layer, width=config.n_embd,
        heads=config.n_head, head_dim=config.n_embd // config.n_head, context=config.n_positions, vocab=config.vocab_size,
        train_documents=record["documents"]["training"], train_tokens=record["tokens"]["training"],
        held_out_documents=record["documents"]["held_out"], held_out_tokens=record["tokens"]["held_out"], loss=loss,
        bits=per_byte / 0.6931471805599453, steps=record["steps"], batch=record["arguments"]["batch"],
        epochs=record["arguments"]["epochs"], minutes=record["minutes"], threads=record["arguments"]["threads"], best_step=record["best_step"],
        flags=flags(record["arguments"]), versions=", ".join(f"{k} {v}" for k, v in record["versions"].items()),
        prompt=PROMPT, greedy_count=len(greedy), greedy=quote(PROMPT + tokenizer.decode(greedy)),
        sampled="\n".join(sampled), peer=args.peer_notes.read_text(encoding="utf-8") if args.peer_notes else "",
    )
    (args.model / "README.md").write_text(card, encoding="utf-8")
    print(card)


if __name__ == "__main__":
    main()
