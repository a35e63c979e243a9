#!/usr/bin/env python3
"""Train a SentencePiece BPE and a small Llama on a text file; write a Hugging Face model directory.

The text holds documents separated by the line `<|endoftext|>`; each becomes `<s> ... </s>`. Example:

    python3 tools/train_llama2.py --text tinystories.txt --out runs/tiny-llama2 --compile
    python3 tools/convert_to_gguf.py runs/tiny-llama2 models/tiny-llama2.gguf --type f16
"""

import argparse
import io
from pathlib import Path
from typing import Iterator

import sentencepiece
import torch
import transformers
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM

from spm_tokenizer import write_tokenizer_files
from train_common import (
    Ids, add_arguments, causal_attention, fit, read_documents, split_documents, write_record,
)


def lines_of(documents: list[str]) -> Iterator[str]:
    """The non-empty lines: a newline is a byte token, so no piece may contain one."""
    for document in documents:
        yield from (line for line in document.split("\n") if line)


def train_tokenizer(documents: list[str], vocab_size: int) -> bytes:
    """A Llama-2 style SentencePiece model: <unk>, <s>, </s>, the 256 bytes, then pieces by rank; text is not normalized."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines_of(documents), model_writer=model, model_type="bpe", vocab_size=vocab_size,
        byte_fallback=True, split_digits=True, character_coverage=0.99995, max_sentence_length=100000,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2,
    )
    return model.getvalue()


def encode_documents(processor: sentencepiece.SentencePieceProcessor, documents: list[str]) -> Ids:
    """Token ids of every document between <s> and </s>."""
    return [[processor.bos_id()] + ids + [processor.eos_id()] for ids in processor.encode(documents)]


def grouped_attention(module, query, key, value, attention_mask, **options):
    """causal_attention where each key and value head serves `query heads / key heads` query heads in a row."""
    share = query.shape[1] // key.shape[1]
    return causal_attention(
        module, query, key.repeat_interleave(share, 1), value.repeat_interleave(share, 1), attention_mask, **options
    )


AttentionInterface.register("train_llama2_grouped", grouped_attention)


def prepare_for_training(model: LlamaForCausalLM, dropout: float) -> None:
    """Attention as above, and dropout after the embedding and on what each half of a block adds (Llama has none of its own)."""
    model.config._attn_implementation = "train_llama2_grouped"

    def drop(module, inputs, output):
        return torch.nn.functional.dropout(output, dropout, module.training)

    model.model.embed_tokens.register_forward_hook(drop)
    for block in model.model.layers:
        block.self_attn.o_proj.register_forward_hook(drop)
        block.mlp.down_proj.register_forward_hook(drop)


def save_model(model: LlamaForCausalLM, state: dict[str, torch.Tensor], out: Path) -> None:
    """config.json, generation_config.json and model.safetensors in f16."""
    config = LlamaConfig.from_dict(model.config.to_dict())
    half = LlamaForCausalLM(config)
    half.load_state_dict(state)
    half.half()
    half.generation_config = transformers.GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id
    )
    half.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)


def train(args: argparse.Namespace) -> None:
    """The whole run: tokenizer, split, loop, best weights, training.json."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    args.out.mkdir(parents=True, exist_ok=True)

    train_texts, held_out_texts = split_documents(read_documents(args.text), args.held_out, args.seed)
    spm_bytes = train_tokenizer(train_texts, args.vocab)
    processor = sentencepiece.SentencePieceProcessor(model_proto=spm_bytes)
    write_tokenizer_files(spm_bytes, args.out, args.context)
    train_ids = encode_documents(processor, train_texts)
    held_out_ids = encode_documents(processor, held_out_texts)
    print(
        f"{len(train_ids)} + {len(held_out_ids)} documents, {sum(map(len, train_ids))} training tokens, "
        f"vocabulary {processor.vocab_size()}", flush=True,
    )

    config = LlamaConfig(
        vocab_size=processor.vocab_size(), max_position_embeddings=args.context, hidden_size=args.width,
        intermediate_size=args.ffn, num_hidden_layers=args.layers, num_attention_heads=args.heads,
        num_key_value_heads=args.kv_heads, rms_norm_eps=1e-5, hidden_act="silu", tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=processor.bos_id(), eos_token_id=processor.eos_id(),
    )
    model = LlamaForCausalLM(config)
    prepare_for_training(model, args.dropout)
    figures = fit(
        model, ".layers.", train_ids, held_out_ids, args, save=lambda state: save_model(model, state, args.out)
    )
    final = LlamaForCausalLM.from_pretrained(args.out, dtype=torch.float32)
    write_record(
        final, train_ids, held_out_ids, held_out_texts, figures, args, sentencepiece=sentencepiece.__version__
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(
        parser, aligned_width=256, epochs=24.0, dropout=0.12, weight_decay=0.3, average=0.995, evaluate_every=200
    )
    parser.add_argument("--vocab", type=int, default=2048, help="size with <unk>, <s>, </s> and the 256 bytes")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--ffn", type=int, default=768)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--kv-heads", type=int, default=4)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
