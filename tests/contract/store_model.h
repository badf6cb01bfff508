/* store_model: a store compared with a plain model that keeps every event. */
#ifndef TESTS_CONTRACT_STORE_MODEL_H
#define TESTS_CONTRACT_STORE_MODEL_H

/* For cmocka; *state is a fixture with an open store. Charges, refunds,
 * restarts and clocks at random: in no window of length per more than max, and
 * no refusal unless what was charged in the last per * 61/60 and the cost are
 * more than max. A failure tells the seed. */
void store_model_test(void **state);

#endif
