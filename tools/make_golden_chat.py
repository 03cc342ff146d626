"""Writes tests/golden/language/chat.json: chats as transformers' apply_chat_template renders them.

usage: make_golden_chat.py [--also FOLDER] [OUTPUT]

The templates below are SmolLM2's own (Apache-2.0, from its GGUF file) and shorter ones of ours, which print what the
published ones print where no tools are given. --also adds the published FOLDER/*.jinja. Needs transformers.
"""

import argparse
import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "language" / "chat.json"
BOS = "<|begin_of_text|>"

TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
CHATML_PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
QWEN25 = r"""
{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
{%- else %}
    {{- "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You're a helpful assistant.<|im_end|>\n" }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role != "system" or not loop.first %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
""".lstrip()
QWEN3 = r"""
{%- set ns = namespace(searching=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set tool = message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>') %}
    {%- if ns.searching and message.role == "user" and not tool %}
        {%- set ns.searching = false %}
        {%- set ns.last_query_index = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role != "assistant" %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- else %}
        {%- set answer = message.content.split('</think>')[-1] %}
        {%- set thought = '' %}
        {%- if '</think>' in message.content %}
            {%- set answer = answer.lstrip('\n') %}
            {%- set thought = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].strip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' }}
        {%- if loop.index0 > ns.last_query_index and (loop.last or thought) %}
            {{- '<think>\n' + thought + '\n</think>\n\n' + answer.lstrip('\n') }}
        {%- else %}
            {{- answer }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
""".strip()
LLAMA_TURN = (
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>'"
)
LLAMA_PROMPT = "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
LLAMA3 = "{{ bos_token }}{% for message in messages %}{{ " + LLAMA_TURN + " }}{% endfor %}"
LLAMA31 = r"""
{{- bos_token }}
{#- The date of the system message #}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if messages[0]['role'] == 'system' %}
    {{- messages[0]['content']|trim }}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
""".lstrip()
TEMPLATES = {
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}" + TURN + "{% endfor %}" + CHATML_PROMPT,
    "chatml": "{% for message in messages %}" + TURN + "{% endfor %}" + CHATML_PROMPT,
    "qwen2.5": QWEN25,
    "qwen3": QWEN3,
    "llama3": LLAMA3 + "{% if add_generation_prompt %}" + LLAMA_PROMPT + "{% endif %}",
    "llama3.always": LLAMA3 + LLAMA_PROMPT,
    "llama3.1": LLAMA31,
}

CHATS = [
    ["user:Hi"],
    ["system:Be brief.", "user:  What is 2+2?\n"],
    ["user:a", "assistant:b", "user:c"],
    ["system:", "user:", "assistant:"],
    ["system: \x1c\u00a0x\u3000", "user:\n\nnew\n\nlines\n", "assistant:  ok  ", "user:日本語 😀"],
    ["assistant:first", "user:second"],
    ["user:q", "assistant:<think>\nwhy\n</think>\n\nbecause", "user:r", "assistant:<think>\nhm\n\n</think>\n\n\nso"],
    ["user:q", "assistant:<think></think>a", "assistant:b</think>c", "assistant:\n\nplain"],
    ["user:q", "assistant:x<think>y<think>\nz\n</think>one</think>\ntwo"],
    ["user:q", "assistant:call", "user:<tool_response>1</tool_response>", "assistant:<think>t</think>4"],
    ["system:s", "assistant:a"],
    ["user:u", "system:late", "user:v"],
]  # fmt: skip
VARIANTS = [
    {"add_generation_prompt": False},
    {"add_generation_prompt": True},
    {"add_generation_prompt": True, "enable_thinking": False, "date": "1 Apr 2025"},
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--also", type=pathlib.Path)
    parser.add_argument("output", nargs="?", type=pathlib.Path, default=OUTPUT)
    arguments = parser.parse_args()
    templates = dict(TEMPLATES)
    if arguments.also:
        templates |= {path.stem: path.read_text() for path in sorted(arguments.also.glob("*.jinja"))}
    chats = [[dict(zip(("role", "content"), turn.split(":", 1))) for turn in chat] for chat in CHATS]
    result = {"bos": BOS, "chats": chats, "variants": VARIANTS, "templates": {}}
    for name, template in templates.items():
        rendered = []
        for variant in VARIANTS:
            options = {"date_string": variant.get("date", "26 Jul 2024"), "bos_token": BOS}
            if "enable_thinking" in variant:
                options["enable_thinking"] = variant["enable_thinking"]
            prompt = variant["add_generation_prompt"]
            rendered.append(
                [
                    render_jinja_template([chat], chat_template=template, add_generation_prompt=prompt, **options)[0][0]
                    for chat in chats
                ]
            )
        result["templates"][name] = {"jinja": template, "rendered": rendered}
    arguments.output.write_text(json.dumps(result, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
