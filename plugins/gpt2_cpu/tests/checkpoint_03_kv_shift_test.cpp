// Rung 3, where keys do not depend on the position: a shift changes numbers only.
#include "tested_models.hpp"

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_03_kv_shift, *utf::depends_on("checkpoint_02_qkv") *
                                                  utf::description("a shift leaves learned positions alone"))

BOOST_DATA_TEST_CASE(a_shift_there_and_back_changes_no_byte, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(37, model.info().vocab_size);
  const auto context = model.context();
  take(feed(*context, std::span(ids).first(30), 0, Wanted::kNone));
  succeed(context->kv_seq_shift(0, 10, -1, 3));
  succeed(context->kv_seq_shift(0, 13, -1, -3));
  const Rows whole = all_rows(model, ids);
  BOOST_TEST(same_bytes(take(feed(*context, std::span(ids).subspan(30), 30, Wanted::kAll)),
                        Rows(whole.begin() + 30, whole.end())));
}

BOOST_AUTO_TEST_SUITE_END()
