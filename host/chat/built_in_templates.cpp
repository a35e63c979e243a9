#include "chat/built_in_templates.hpp"

#include <algorithm>

namespace llorch::chat {

// tools/make_chat_fixtures.py reads the templates out of this file.
const std::vector<BuiltInTemplate>& built_in_templates() {
  // clang-format off
  static const std::vector<BuiltInTemplate> templates = {
      {"chatml", R"jinja(
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)jinja", "<|im_end|>", {"<|im_start|>", "<|im_end|>"}},
      {"llama3", R"jinja(
{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
)jinja", "<|eot_id|>", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
      {"gemma", R"jinja(
{%- set ns = namespace(system='', turn='user') %}
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first %}
        {%- set ns.system = message.content | trim ~ '\n\n' %}
    {%- elif message.role != ns.turn %}
        {{- raise_exception('expected a message of the ' ~ ns.turn ~ ', found one of the ' ~ message.role ~ ': after an optional system message, user and assistant must alternate') }}
    {%- elif message.role == 'user' %}
        {{- '<start_of_turn>user\n' ~ ns.system ~ message.content | trim ~ '<end_of_turn>\n' }}
        {%- set ns.system = '' %}
        {%- set ns.turn = 'assistant' %}
    {%- else %}
        {{- '<start_of_turn>model\n' ~ message.content | trim ~ '<end_of_turn>\n' }}
        {%- set ns.turn = 'user' %}
    {%- endif %}
{%- endfor %}
{%- if ns.system %}
    {{- raise_exception('expected a message of the user after the system message, found none') }}
{%- endif %}
{%- if add_generation_prompt %}
    {{- '<start_of_turn>model\n' }}
{%- endif %}
)jinja", "<end_of_turn>", {"<start_of_turn>", "<end_of_turn>"}},
      {"mistral", R"jinja(
{%- set ns = namespace(system='', turn='user') %}
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first %}
        {%- set ns.system = message.content ~ '\n\n' %}
    {%- elif message.role != ns.turn %}
        {{- raise_exception('expected a message of the ' ~ ns.turn ~ ', found one of the ' ~ message.role ~ ': after an optional system message, user and assistant must alternate') }}
    {%- elif message.role == 'user' %}
        {{- '[INST] ' ~ ns.system ~ message.content ~ ' [/INST]' }}
        {%- set ns.system = '' %}
        {%- set ns.turn = 'assistant' %}
    {%- else %}
        {{- ' ' ~ message.content | trim ~ eos_token }}
        {%- set ns.turn = 'user' %}
    {%- endif %}
{%- endfor %}
{%- if ns.system %}
    {{- raise_exception('expected a message of the user after the system message, found none') }}
{%- endif %}
)jinja", "", {"[INST]", "[/INST]"}},
      {"llama2", R"jinja(
{%- set ns = namespace(system='', turn='user') %}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first %}
        {%- set ns.system = '<<SYS>>\n' ~ message.content ~ '\n<</SYS>>\n\n' %}
    {%- elif message.role != ns.turn %}
        {{- raise_exception('expected a message of the ' ~ ns.turn ~ ', found one of the ' ~ message.role ~ ': after an optional system message, user and assistant must alternate') }}
    {%- elif message.role == 'user' %}
        {{- bos_token ~ '[INST] ' ~ (ns.system ~ message.content) | trim ~ ' [/INST]' }}
        {%- set ns.system = '' %}
        {%- set ns.turn = 'assistant' %}
    {%- else %}
        {{- ' ' ~ message.content | trim ~ ' ' ~ eos_token }}
        {%- set ns.turn = 'user' %}
    {%- endif %}
{%- endfor %}
{%- if ns.system %}
    {{- raise_exception('expected a message of the user after the system message, found none') }}
{%- endif %}
)jinja", "", {}},
      {"zephyr", R"jinja(
{%- for message in messages %}
    {{- '<|' ~ message.role ~ '|>\n' ~ message.content ~ eos_token ~ '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>\n' }}
{%- endif %}
)jinja", "", {}},
      {"vicuna", R"jinja(
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- 'USER: ' ~ message.content | trim ~ ' ' }}
    {%- elif message.role == 'assistant' %}
        {{- 'ASSISTANT: ' ~ message.content | trim ~ eos_token }}
    {%- else %}
        {{- message.content | trim ~ '\n\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'ASSISTANT:' }}
{%- endif %}
)jinja", "USER:", {}},
      {"plain", R"jinja(
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- 'User: ' }}
    {%- elif message.role == 'assistant' %}
        {{- 'Assistant: ' }}
    {%- endif %}
    {{- message.content | trim ~ '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'Assistant:' }}
{%- endif %}
)jinja", "\nUser:", {}},
  };
  // clang-format on
  return templates;
}

const BuiltInTemplate* find_built_in(std::string_view name) {
  const auto& all = built_in_templates();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string built_in_names() {
  std::string names;
  for (const BuiltInTemplate& one : built_in_templates())
    names.append(names.empty() ? "" : ", ").append(one.name);
  return names;
}

}  // namespace llorch::chat
