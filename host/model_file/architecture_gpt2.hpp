// GPT-2: names, shapes and configuration.
#pragma once

#include "model_file/architecture.hpp"

namespace llorch::model_file {

[[nodiscard]] const Architecture& gpt2_architecture();

}  // namespace llorch::model_file
