#!/usr/bin/env python3
"""Writes the card of a model made by train_gpt2.py or train_llama2.py: figures of the run and samples, all computed here.

    python3 tools/write_model_card.py models/tiny-gpt2 --about "Tells stories." --data "TinyStories, CDLA-Sharing-1.0"
    python3 tools/write_model_card.py runs/tiny-llama2 --weights models/tiny-llama2.gguf --about ... --data ...
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = "Once upon a time"

CARD = """# {name}

{kind} {about}

| | |
|---|---|
| files | {files} |
| data | {data}; the text is not included |
| split | {train_documents} stories ({train_tokens:,} tokens) for training, {held_out_documents} held out ({held_out_tokens:,} tokens), no story on both sides |
| held-out loss | {loss:.4f} nats per token, {bits:.3f} bits per byte, of the f16 weights here computed in float32 |
| training | {steps} steps of {tokens_a_step:,} tokens ({passes:g} passes), {minutes:.0f} minutes of wall time with {threads} thread{plural}; the moving average of the weights at step {best_step} was kept |
| made by | {made_by} |
| versions | {versions} |

{loads}

## Samples

transformers, float32. The prompt is `{prompt}`.

Greedy, {greedy_count} tokens:

> {greedy}

{sampled}
{peer}"""

GPT2_KIND = """A GPT-2 of {parameters:,} parameters ({layers} layers, {width} wide, {heads} heads of {head_dim}, context {context}, `gelu_new`, tied head) with a
byte-level BPE of {vocab} tokens."""
GPT2_FILES = """`model.safetensors` (f16), `config.json`, `tokenizer.json`; the same tokenizer as `vocab.json` + `merges.txt`; `training.json` (the figures of the run)"""
LLAMA_KIND = """A Llama of {parameters:,} parameters ({layers} layers, {width} wide, {heads} query heads over {kv_heads} key and value heads of {head_dim}, feed-forward {ffn},
context {context}, rotary base {rope_base:g}, {head}) with a SentencePiece BPE of {vocab} tokens with byte fallback. All rows of its matrices are
multiples of 256 long, so that every block-quantized type of GGUF can hold them."""
LLAMA_FILES = """`{name}.gguf`: f16 matrices, f32 norms, the tokenizer with scores and token types; no chat template"""


def generate(model, ids: torch.Tensor, count: int, seed: int | None, temperature: float) -> list[int]:
    """New ids: greedy without a seed, else with top-k 40. Stops at the end-of-text token."""
    end = model.config.eos_token_id
    options = {"do_sample": False} if seed is None else {"do_sample": True, "temperature": temperature, "top_k": 40}
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
    skip = ("threads", "evaluate_every", "bf16", "compile")
    return "".join(
        f" --{key.replace('_', '-')} {value}" for key, value in arguments.items() if key not in skip and value is not None
    )


def describe(config, record: dict, name: str, weights: Path) -> dict[str, str]:
    """What the card says in other words for each architecture: kind, files, made_by, loads."""
    arguments, clocked = flags(record["arguments"]), record["arguments"].get("minutes") is not None
    if config.model_type == "gpt2":
        kind = GPT2_KIND.format(
            parameters=record["parameters"], layers=config.n_layer, width=config.n_embd, heads=config.n_head,
            head_dim=config.n_embd // config.n_head, context=config.n_positions, vocab=config.vocab_size,
        )
        return {
            "kind": kind, "files": GPT2_FILES, "made_by": f"`tools/train_gpt2.py --text TEXT --out models/{name}{arguments}`",
            "loads": "It loads in transformers (`AutoModelForCausalLM`, `AutoTokenizer`); the samples below were made with them.",
        }
    kind = LLAMA_KIND.format(
        parameters=record["parameters"], layers=config.num_hidden_layers, width=config.hidden_size,
        heads=config.num_attention_heads, kv_heads=config.num_key_value_heads,
        head_dim=config.head_dim or config.hidden_size // config.num_attention_heads, ffn=config.intermediate_size,
        context=config.max_position_embeddings, rope_base=config.rope_parameters["rope_theta"],
        head="tied head" if config.tie_word_embeddings else "separate head", vocab=config.vocab_size,
    )
    return {
        "kind": kind,
        "files": LLAMA_FILES.format(name=name) + f" ({weights.stat().st_size:,} bytes)",
        "made_by": (
            f"`tools/train_llama2.py --text TEXT --out runs/{name}{arguments}`, "
            f"then `tools/convert_to_gguf.py runs/{name} models/{name}.gguf --type f16`"
            + ("; with `--minutes` the rate follows the clock, so that no two runs give the same bits" if clocked else "")
        ),
        "loads": (
            "The directory that `tools/train_llama2.py` writes loads in transformers (`AutoModelForCausalLM`, `AutoTokenizer`); "
            "the samples below were made with them from the f16 weights that the GGUF holds."
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="directory with the weights and training.json")
    parser.add_argument("--weights", type=Path, help="the GGUF that ships in place of the directory; its card is NAME.md beside it")
    parser.add_argument("--about", required=True, help="a sentence or two: what the model is for")
    parser.add_argument("--data", required=True, help="what it was trained on, and under which licence that comes")
    parser.add_argument("--peer-notes", type=Path, help="Markdown to append: what another program gave on this model")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--temperature", type=float, default=0.8)
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    record = json.loads((args.model / "training.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    name = args.weights.stem if args.weights else args.model.resolve().name
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]

    def text_of(seed: int | None) -> tuple[str, int]:
        new = generate(model, ids, args.tokens, seed, args.temperature)
        return quote(tokenizer.decode(ids[0].tolist() + new, skip_special_tokens=True)), len(new)

    greedy, greedy_count = text_of(None)
    sampled = [
        f"Temperature {args.temperature:g}, top-k 40, `torch.manual_seed({seed})`:\n\n> {text_of(seed)[0]}\n"
        for seed in (1, 2, 3)
    ]
    arguments, loss = record["arguments"], record["held_out_loss_of_f16_weights"]
    per_byte = loss * record["tokens"]["held_out"] / record["held_out_bytes"]
    card = CARD.format(
        name=name, about=args.about, data=args.data, **describe(model.config, record, name, args.weights),
        train_documents=record["documents"]["training"], train_tokens=record["tokens"]["training"],
        held_out_documents=record["documents"]["held_out"], held_out_tokens=record["tokens"]["held_out"], loss=loss,
        bits=per_byte / 0.6931471805599453, steps=record["steps"], tokens_a_step=arguments["batch"] * arguments["context"],
        passes=record.get("passes", arguments["epochs"]), minutes=record["minutes"], threads=arguments["threads"],
        plural="" if arguments["threads"] == 1 else "s", best_step=record["best_step"],
        versions=", ".join(f"{k} {v}" for k, v in record["versions"].items()),
        prompt=PROMPT, greedy_count=greedy_count, greedy=greedy,
        sampled="\n".join(sampled), peer=args.peer_notes.read_text(encoding="utf-8") if args.peer_notes else "",
    )
    out = args.weights.with_suffix(".md") if args.weights else args.model / "README.md"
    out.write_text(card, encoding="utf-8")
    print(card)


if __name__ == "__main__":
    main()
