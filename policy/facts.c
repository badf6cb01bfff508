#include "policy/facts.h"

#include <assert.h>

const char *
facts_class_name(enum traffic_class traffic_class)
{
	static const char *const names[CLASS_COUNT] = {
		[CLASS_SUBMISSION] = "submission",
		[CLASS_LOCAL] = "local",
		[CLASS_RELAY] = "relay",
		[CLASS_INBOUND] = "inbound",
	};

	assert(traffic_class < CLASS_COUNT);
	return names[traffic_class];
}
