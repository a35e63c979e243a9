"""Drives a worker with the official `openai` package; prints one JSON object with what the client made of the answers.

    openai_client.py BASE_URL API_KEY
"""

import json
import sys

import openai


def main() -> None:
    client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0, timeout=120)
    seen: dict = {"version": openai.__version__, "models": [model.id for model in client.models.list()]}
    name = seen["models"][0]
    seen["retrieved"] = client.models.retrieve(name).id

    prompt = {"model": name, "prompt": "Once upon a time", "max_tokens": 24, "temperature": 0.7, "seed": 11}
    whole = client.completions.create(**prompt)
    seen["completion"] = {
        "text": whole.choices[0].text, "finish": whole.choices[0].finish_reason, "tokens": whole.usage.completion_tokens
    }  # fmt: skip
    chunks = list(client.completions.create(**prompt, stream=True, stream_options={"include_usage": True}))
    seen["completion_stream"] = {
        "text": "".join(chunk.choices[0].text for chunk in chunks if chunk.choices),
        "finish": [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1],
        "tokens": chunks[-1].usage.completion_tokens,
        "chunks": len(chunks),
    }
    logprobs = client.completions.create(**(prompt | {"max_tokens": 3}), logprobs=2).choices[0].logprobs
    seen["logprobs"] = {"tokens": len(logprobs.tokens), "top": [len(top) for top in logprobs.top_logprobs]}

    chat = {
        "model": name, "messages": [{"role": "user", "content": "Tell me a story."}],
        "max_completion_tokens": 24, "temperature": 0.7, "seed": 11,
    }  # fmt: skip
    answer = client.chat.completions.create(**chat)
    seen["chat"] = {
        "text": answer.choices[0].message.content, "role": answer.choices[0].message.role,
        "finish": answer.choices[0].finish_reason, "tokens": answer.usage.completion_tokens,
    }  # fmt: skip
    chunks = list(client.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    seen["chat_stream"] = {
        "text": "".join(delta.content or "" for delta in deltas), "role": deltas[0].role,
        "finish": [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1],
        "tokens": chunks[-1].usage.completion_tokens,
    }  # fmt: skip

    try:
        client.chat.completions.create(**(chat | {"temperature": 99}))
    except openai.BadRequestError as error:
        seen["bad_request"] = {"param": error.param, "type": error.type, "message": error.message}
    try:
        client.models.retrieve("no-such-model")
    except openai.NotFoundError as error:
        seen["not_found"] = {"type": error.type, "message": error.message}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
