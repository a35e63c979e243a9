// Llama and what shares its mathematics (Llama-2, Llama-3, Mistral, TinyLlama, Vicuna, Code Llama): names, shapes and
// configuration.
#pragma once

#include "model_file/architecture.hpp"

namespace llorch::model_file {

[[nodiscard]] const Architecture& llama_architecture();

}  // namespace llorch::model_file
