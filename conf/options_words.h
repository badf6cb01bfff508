/* options_words: the words that options may have as values, for the one table
 * in conf/options.c alone. Each list is closed by a NULL. Immutable. */
#ifndef CONF_OPTIONS_WORDS_H
#define CONF_OPTIONS_WORDS_H

#include "conf/options.h"

extern const struct option_word options_words_modes[];
extern const struct option_word options_words_log_targets[];
extern const struct option_word options_words_log_formats[];
extern const struct option_word options_words_log_levels[];
extern const struct option_word options_words_backends[];
extern const struct option_word options_words_failures[];
extern const struct option_word options_words_canons[];
extern const struct option_word options_words_engines[];
extern const struct option_word options_words_key_actions[];
extern const struct option_word options_words_sender_actions[];
extern const struct option_word options_words_owners[];
extern const struct option_word options_words_checks[];
extern const struct option_word options_words_profiles[];
extern const struct option_word options_words_preflight_actions[];
extern const struct option_word options_words_sources[];
extern const struct option_word options_words_limit_keys[];
extern const struct option_word options_words_limit_counts[];
extern const struct option_word options_words_limit_actions[];
extern const struct option_word options_words_classes[];

#endif
