/* keys_value: the value that a map has for a domain: its keys, each a selector
 * and the key itself, in any number of lines:
 *
 *     value    = [blanks] key *( blanks key ) [blanks]
 *     key      = selector blanks ( pem / base64 )
 *     selector = as in RFC 6376 §3.1
 *     pem      = "-----BEGIN " ... "-----END " ... "-----", blanks inside
 *     base64   = the same key's DER (PKCS#8 or PKCS#1) without blanks in it
 *     blanks   = 1*( SP / HTAB / CR / LF )
 *
 * At most KEYS_PER_DOMAIN keys, no selector twice. For example
 *
 *     s1 -----BEGIN PRIVATE KEY-----
 *     MIIEvQIBADANBgkqhkiG9w0BAQEFAASC...
 *     -----END PRIVATE KEY-----
 *     s2 MC4CAQAwBQYDK2VwBCIEIPlM...
 *
 * Pure. Private to keys. */
#ifndef MILTER_IO_KEYS_VALUE_H
#define MILTER_IO_KEYS_VALUE_H

#include "milter/io/keys_set.h"

/* Read value as the keys of domain. The set is the caller's; NULL with words,
 * which name the selector but not the map. */
struct key_set *
keys_value_read(const char *value, const char *domain, struct fault *fault);

#endif
