#include "conf/options_words.h"

#include "conf/conf.h"

const struct option_word options_words_modes[] = {
	{ "enforce", MODE_ENFORCE },
	{ "observe", MODE_OBSERVE },
	{ NULL, 0 },
};

const struct option_word options_words_log_targets[] = {
	{ "syslog", LOG_TARGET_SYSLOG },
	{ "stderr", LOG_TARGET_STDERR },
	{ NULL, 0 },
};

const struct option_word options_words_log_formats[] = {
	{ "logfmt", LOG_FORMAT_LOGFMT },
	{ "json", LOG_FORMAT_JSON },
	{ NULL, 0 },
};

const struct option_word options_words_log_levels[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warning", LOG_LEVEL_WARNING },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};

const struct option_word options_words_backends[] = {
	{ "lmdb", STORE_LMDB },
	{ "redis", STORE_REDIS },
	{ NULL, 0 },
};

const struct option_word options_words_failures[] = {
	{ "local", ON_FAILURE_LOCAL },
	{ "accept", ON_FAILURE_ACCEPT },
	{ "tempfail", ON_FAILURE_TEMPFAIL },
	{ NULL, 0 },
};

const struct option_word options_words_canons[] = {
	{ "simple", CANON_SIMPLE },
	{ "relaxed", CANON_RELAXED },
	{ NULL, 0 },
};

const struct option_word options_words_engines[] = {
	{ "postern", SIGNING_POSTERN },
	{ "opendkim", SIGNING_OPENDKIM },
	{ NULL, 0 },
};

const struct option_word options_words_key_actions[] = {
	{ "accept", ACTION_ACCEPT },
	{ "tempfail", ACTION_TEMPFAIL },
	{ "reject", ACTION_REJECT },
	{ NULL, 0 },
};

const struct option_word options_words_sender_actions[] = {
	{ "observe", ACTION_OBSERVE },
	{ "reject", ACTION_REJECT },
	{ NULL, 0 },
};

const struct option_word options_words_owners[] = {
	{ "own", OWNERS_OWN },
	{ "map", OWNERS_MAP },
	{ "all", OWNERS_ALL },
	{ NULL, 0 },
};

const struct option_word options_words_checks[] = {
	{ "envelope", offsetof(struct senders_conf, rules.check_envelope) },
	{ "from", offsetof(struct senders_conf, rules.check_from) },
	{ NULL, 0 },
};

const struct option_word options_words_profiles[] = {
	{ "rfc9989",
	    offsetof(struct preflight_conf, profiles[PREFLIGHT_RFC9989]) },
	{ "rfc7489",
	    offsetof(struct preflight_conf, profiles[PREFLIGHT_RFC7489]) },
	{ "both_pass",
	    offsetof(struct preflight_conf, profiles[PREFLIGHT_BOTH_PASS]) },
	{ NULL, 0 },
};

const struct option_word options_words_preflight_actions[] = {
	{ "accept", ACTION_ACCEPT },
	{ "observe", ACTION_OBSERVE },
	{ "tempfail", ACTION_TEMPFAIL },
	{ "reject", ACTION_REJECT },
	{ "hold", ACTION_HOLD },
	{ NULL, 0 },
};

const struct option_word options_words_sources[] = {
	{ "sasl", ACCOUNT_SASL },
	{ "network", ACCOUNT_NETWORK },
	{ "header", ACCOUNT_HEADER },
	{ "uid", ACCOUNT_UID },
	{ "host", ACCOUNT_HOST },
	{ "client", ACCOUNT_CLIENT },
	{ NULL, 0 },
};

const struct option_word options_words_limit_keys[] = {
	{ "account", LIMIT_KEY_ACCOUNT },
	{ "parent", LIMIT_KEY_PARENT },
	{ "from_domain", LIMIT_KEY_FROM_DOMAIN },
	{ "client_ip", LIMIT_KEY_CLIENT_IP },
	{ "sender", LIMIT_KEY_SENDER },
	{ "global", LIMIT_KEY_GLOBAL },
	{ NULL, 0 },
};

const struct option_word options_words_limit_counts[] = {
	{ "messages", LIMIT_MESSAGES },
	{ "recipients", LIMIT_RECIPIENTS },
	{ "new_recipients", LIMIT_NEW_RECIPIENTS },
	{ "bytes", LIMIT_BYTES },
	{ "refusals", LIMIT_REFUSALS },
	{ NULL, 0 },
};

const struct option_word options_words_limit_actions[] = {
	{ "tempfail", ACTION_TEMPFAIL },
	{ "reject", ACTION_REJECT },
	{ "hold", ACTION_HOLD },
	{ NULL, 0 },
};

const struct option_word options_words_classes[] = {
	{ "submission", CLASS_SUBMISSION },
	{ "local", CLASS_LOCAL },
	{ "relay", CLASS_RELAY },
	{ "inbound", CLASS_INBOUND },
	{ NULL, 0 },
};
