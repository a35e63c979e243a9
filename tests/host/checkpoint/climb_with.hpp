// What the tests of the ladder share.
#pragma once

#include <filesystem>

#include "checkpoint/ladder.hpp"
#include "support/model_under_test.hpp"

namespace llorch::testing {

/// Climbs with one thread and without a tokenizer; an error of reading or climbing ends the test.
inline checkpoint::LadderResult climb_with(const ModelUnderTest& model, const std::filesystem::path& reference,
                                           const checkpoint::Tolerances& tolerances = {}) {
  return take(
      checkpoint::climb({&model.model(), nullptr, 1}, take(checkpoint::Reference::read(reference)), tolerances));
}

}  // namespace llorch::testing
