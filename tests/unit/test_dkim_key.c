/* Published DKIM keys: records read, judged and compared with the key that
 * signs. The section of RFC 6376 stands with each case, where no other RFC is
 * named. */
#include "policy/dkim_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1 << 20, RECORDS = 3, TTL_S = 77 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V "v=DKIM1; "
#define NAME "s1._domainkey.example.com"

/* Keys made for this test, in base64. */
#define RSA                                                                \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQIDAQAB"
#define RSA_BARE                                                           \
	"MIGJAoGBAMArSVXR4f5snS9SI5op/WF+ozLLSaZwosBnc1B9SJ058aYHikOGcfcg" \
	"8S3qSCJtnzCqtmkU58j8cqg/f67IAzEnRmps0hofoq267wiDcU2XnsXBlLUhwxQZ" \
	"5qqKaKzu6Q9QyCQk2iH3mC5OHPDQkPlO+eumsVOIc9T/uSLy4CCRAgMBAAE="
#define RSA_OTHER                                                          \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCaE/0w6AwX01CxAW4PdHNEBmmQ" \
	"RxkiIaszaUG1PbsyIVI78dFyiq1vqVGq7tGH7Q8BidUxI2N0JBSsJq42A0GukKdL" \
	"qW6UCJmEGng57PtykL2sQdw3pOtqZfkHXpvhGO8bac38FAQ95EYi9mdAjfWWfZPc" \
	"/XVdoxalephFnpjmFQIDAQAB"
#define RSA_2048                                                           \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAl/mU24O+kFHRN8TnBegS" \
	"uymU0k5/JqAkuaBfRyqInV/Bs90I1VOhBw5w9frA/oI3A8p8ZhELHSenWktebV9G" \
	"hBBA7yw7tXTxDIO1/4tuW6fJKu5s/XSWQmkz1MQAF3E2B6FgbTCfEniNiEEnp7cZ" \
	"uxUD9dK5frkrwy2NnFyCNDBK6562vDBmRoR57VhQp9ZC8CBkkubP+n6wbmJv7f4J" \
	"WQz21iM4xIgxGw6FUJgPW+Kd7HZLu2qINQQC8qnA4VNzIUBUpTDggT8/9BsssijI" \
	"qDxLIKDwK9Gt3/k5I58VHDPobzaF1ywH+pKM8LG2vKUJXQIEwSketdEqvFFDZnRa" \
	"4QIDAQAB"
#define RSA_512                                                            \
	"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMQGf5TE+VVIU5ZTkp/J4pbX8hw6SkPq" \
	"QXW5+CrRbznfTEChkDA36Ri+o2OziyGn24koRQGpyU8RcagmUEwJS8kCAwEAAQ=="
#define RSA_1023                                                           \
	"MIGeMA0GCSqGSIb3DQEBAQUAA4GMADCBiAKBgGZddo1oGLWEgG3PqfimxhgR5agh" \
	"zqljvUUIBXlUPfG9fJsjfKPAyn83VAtBMGfS0BPXdhbyUYGq49MFX9QovlhU9o0X" \
	"YUhy6DGwaA2rZDIzCOTzm16LgJFo5uhO1MrScex6T3dO/UZYuQgMTczgn5E23W7j" \
	"5eWHKY9j9AResQ9tAgMBAAE="
#define RSA_NO_NULL                                                        \
	"MIGdMAsGCSqGSIb3DQEBAQOBjQAwgYkCgYEAwCtJVdHh/mydL1Ijmin9YX6jMstJ" \
	"pnCiwGdzUH1InTnxpgeKQ4Zx9yDxLepIIm2fMKq2aRTnyPxyqD9/rsgDMSdGamzS" \
	"Gh+irbrvCINxTZeexcGUtSHDFBnmqoporO7pD1DIJCTaIfeYLk4c8NCQ+U7566ax" \
	"U4hz1P+5IvLgIJECAwEAAQ=="
#define RSA_TAIL                                                           \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQIDAQABAA=="
#define RSA_EVEN                                                           \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkAIDAQAB"
#define RSA_E_1                                                            \
	"MIGdMA0GCSqGSIb3DQEBAQUAA4GLADCBhwKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQIBAQ=="
#define RSA_E_EVEN                                                         \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQIDAQAA"
#define RSA_NEGATIVE                                                       \
	"MIGeMA0GCSqGSIb3DQEBAQUAA4GMADCBiAKBgMArSVXR4f5snS9SI5op/WF+ozLL" \
	"SaZwosBnc1B9SJ058aYHikOGcfcg8S3qSCJtnzCqtmkU58j8cqg/f67IAzEnRmps" \
	"0hofoq267wiDcU2XnsXBlLUhwxQZ5qqKaKzu6Q9QyCQk2iH3mC5OHPDQkPlO+eum" \
	"sVOIc9T/uSLy4CCRAgMBAAE="
#define RSA_PADDED                                                         \
	"MIGgMA0GCSqGSIb3DQEBAQUAA4GOADCBigKBggAAwCtJVdHh/mydL1Ijmin9YX6j" \
	"MstJpnCiwGdzUH1InTnxpgeKQ4Zx9yDxLepIIm2fMKq2aRTnyPxyqD9/rsgDMSdG" \
	"amzSGh+irbrvCINxTZeexcGUtSHDFBnmqoporO7pD1DIJCTaIfeYLk4c8NCQ+U75" \
	"66axU4hz1P+5IvLgIJECAwEAAQ=="
#define RSA_UNUSED_BITS                                                    \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNATCBiQKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQIDAQAB"
#define RSA_THREE                                                          \
	"MIGiMA0GCSqGSIb3DQEBAQUAA4GQADCBjAKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQIDAQABAgED"
#define RSA_LONG_LENGTH                                                    \
	"MIIAnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAwCtJVdHh/mydL1Ijmin9YX6j" \
	"MstJpnCiwGdzUH1InTnxpgeKQ4Zx9yDxLepIIm2fMKq2aRTnyPxyqD9/rsgDMSdG" \
	"amzSGh+irbrvCINxTZeexcGUtSHDFBnmqoporO7pD1DIJCTaIfeYLk4c8NCQ+U75" \
	"66axU4hz1P+5IvLgIJECAwEAAQ=="
#define RSA_CUT                                                            \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAK0lV0eH+bJ0vUiOaKf1hfqMy" \
	"y0mmcKLAZ3NQfUidOfGmB4pDhnH3IPEt6kgibZ8wqrZpFOfI/HKoP3+uyAMxJ0Zq" \
	"bNIaH6Ktuu8Ig3FNl57FwZS1IcMUGeaqimis7ukPUMgkJNoh95guThzw0JD5Tvnr" \
	"prFTiHPU/7ki8uAgkQI="
#define EC                                                                 \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHCUQ652e+Klf7i35GtNRXVcBXITL" \
	"Ow6piXd6QvzIX4TgJifbrRAt3wLkSaCCh++oJB/4mH0sUXwAv2ZwhQIXMw=="
#define RSA_PSS                                                            \
	"MIGdMAsGCSqGSIb3DQEBCgOBjQAwgYkCgYEAqzs8zkCc8P2LFIWiy0KUJY2q390j" \
	"0Y6GIEroKQv21abM+NBE0jmW3zggdRxjJB9meau1jkcY5vwRnC7ft+YYFScjfsO7" \
	"x6mVMmcnPXeT/EUIekY7c2eXxMB7l/W3Jem5hS3/J+9DicvGWPCbxOizKITeCP34" \
	"60kLXfKQ4t57z2MCAwEAAQ=="
#define ED "4GIf0CsDBwAGLZk+4GFrBwso/yuIfenJHF+2I8eYUYM="
#define ED_OTHER "kVwp913uc9DcF+XdUDFKQf7Am1mpUYmZOlnXJ1Y1CwY="
#define ED_WRAPPED \
	"MCowBQYDK2VwAyEA4GIf0CsDBwAGLZk+4GFrBwso/yuIfenJHF+2I8eYUYM="

/* One case: up to three TXT records, none with NUL in it. wanted: the key that
 * signs, NULL: any. words: a part of the words; NULL: there are none. */
struct key_case {
	const char *name;
	const char *records[RECORDS];
	const char *wanted;
	enum dkim_key_type type;
	enum dkim_key_state want;
	const char *words;
};

static const struct key_case cases[] = {
	/* What a record is. */
	{ "all of it, §3.6.1",
	    { V "h=sha256; k=rsa; n=a note; s=email; t=s; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "p alone, §3.6.1", { "p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_GOOD,
	    NULL },
	{ "p before k", { "p=" RSA "; k=rsa" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "any key will do", { V "p=" RSA }, NULL, DKIM_KEY_RSA, DKIM_KEY_GOOD,
	    NULL },
	{ "any key will do, of any type", { V "k=ed25519; p=" ED }, NULL,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "blanks around all, §3.2",
	    { " v = DKIM1 ;\r\n\tk\t= rsa ; p = " RSA " ; " }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "blanks within the key, §3.2", { V "p=MI  G\r\n\tf" }, NULL,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "unknown tags, §3.2", { V "x=1; p=" RSA "; y_2=z" }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "a semicolon at the end, §3.2", { V "p=" RSA ";" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "g= is of the past", { V "g=*; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "an empty n=", { V "n=; p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_GOOD,
	    NULL },
	{ "P is not p: tags have case, §3.2", { V "p=" RSA "; P=x" }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },

	/* What is wrong with a record. */
	{ "no p, §3.6.1", { V "k=rsa" }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    NAME " has no p=" },
	{ "no p and no v", { "k=rsa" }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "no p=" },
	{ "v alone", { "v=DKIM1" }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD, "no p=" },
	{ "P alone", { V "P=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD, "no p=" },
	{ "v behind p, §3.6.1", { "p=" RSA "; v=DKIM1" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "v= that doesn't stand first" },
	{ "p twice, §3.2", { V "p=" RSA "; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "twice" },
	{ "an unknown tag twice, §3.2", { V "x=1; x=2; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "twice" },
	{ "an empty tag, §3.2", { V "; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "an empty tag" },
	{ "a word without =, §3.2", { V "rsa; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no tag" },
	{ "an octet above 127 in n=, §3.2", { V "n=\xc3\xbc; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "ASCII" },
	{ "a control character in x=, §3.2", { V "x=\x07; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "ASCII" },

	/* h=, k=, s= */
	{ "h=sha1:sha256", { V "h=sha1:sha256; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "h= with blanks", { V "h= x : sha256 ; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "h=sha1, RFC 8301 §3.1", { V "h=sha1; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "h= without sha256" },
	{ "h=SHA256: values have case, §3.2", { V "h=SHA256; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "sha256" },
	{ "h=sha2560", { V "h=sha2560; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "sha256" },
	{ "an empty h=", { V "h=; p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "sha256" },
	{ "k=dsa", { V "k=dsa; p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "neither rsa nor ed25519" },
	{ "k=RSA: values have case, §3.2", { V "k=RSA; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "neither rsa" },
	{ "k=ED25519", { V "k=ED25519; p=" ED }, ED, DKIM_KEY_ED25519,
	    DKIM_KEY_BAD, "neither rsa" },
	{ "an empty k=", { V "k=; p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "neither rsa" },
	{ "s=*", { V "s=*; p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "s=other:email", { V "s=other:email; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "s=tlsrpt, RFC 8460 §3", { V "s=tlsrpt; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "s= without email" },
	{ "an empty s=", { V "s=; p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "s= without email" },

	/* Revoked. */
	{ "an empty p=, §3.6.1", { V "p=" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_REVOKED, NAME " is revoked" },
	{ "p= of blanks", { V "k=rsa; p= \t;" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_REVOKED, "revoked" },
	{ "revoked, and any key would do", { "p=" }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_REVOKED, "revoked" },

	/* Base64. */
	{ "no base64", { V "p=*" }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "isn't base64" },
	{ "quotes left in it", { V "p=\"" RSA "\"" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "isn't base64" },
	{ "of the URL kind", { V "k=ed25519; p=-_" ED }, ED, DKIM_KEY_ED25519,
	    DKIM_KEY_BAD, "isn't base64" },
	{ "one character over", { V "p=" RSA "A" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "isn't base64" },
	{ "= in the middle", { V "p=AA==AAAA" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "isn't base64" },
	{ "three =", { V "p=AAAAA===" }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "isn't base64" },
	{ "one = too few", { V "p=AA=" }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "isn't base64" },
	{ "PEM's lines", { V "p=-----BEGIN PUBLIC KEY-----" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "isn't base64" },

	/* RSA. */
	{ "2048 bits", { V "p=" RSA_2048 }, RSA_2048, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "512 bits, RFC 8301 §3.2", { V "p=" RSA_512 }, RSA_512, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "fewer than 1024 bits" },
	{ "1023 bits, RFC 8301 §3.2", { V "p=" RSA_1023 }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "fewer than 1024 bits" },
	{ "RSAPublicKey, erratum 3017", { V "p=" RSA_BARE }, RSA_BARE,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "RSAPublicKey for one that was wrapped", { V "p=" RSA_BARE }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "wrapped for one that wasn't", { V "p=" RSA }, RSA_BARE, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "without NULL parameters", { V "p=" RSA_NO_NULL }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "another key", { V "p=" RSA_OTHER }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_DIFFERENT, NAME " has another key" },
	{ "a longer key", { V "p=" RSA_2048 }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_DIFFERENT, "another key" },
	{ "wanted can't be read", { V "p=" RSA }, "?", DKIM_KEY_RSA,
	    DKIM_KEY_DIFFERENT, "another key" },
	{ "cut off, as of one string of two", { V "p=" RSA_CUT }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "something behind it", { V "p=" RSA_TAIL }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no RSA key" },
	{ "an even modulus", { V "p=" RSA_EVEN }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no RSA key" },
	{ "an exponent of one", { V "p=" RSA_E_1 }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no RSA key" },
	{ "an even exponent", { V "p=" RSA_E_EVEN }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no RSA key" },
	{ "a modulus below zero", { V "p=" RSA_NEGATIVE }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no RSA key" },
	{ "a modulus with a zero too many", { V "p=" RSA_PADDED }, NULL,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "a string of bits that isn't of octets", { V "p=" RSA_UNUSED_BITS },
	    NULL, DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "three numbers", { V "p=" RSA_THREE }, NULL, DKIM_KEY_RSA,
	    DKIM_KEY_BAD, "no RSA key" },
	{ "a length that isn't DER's", { V "p=" RSA_LONG_LENGTH }, NULL,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "RSA-PSS", { V "p=" RSA_PSS }, NULL, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "no RSA key" },
	{ "an elliptic curve", { V "p=" EC }, NULL, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    "no RSA key" },
	{ "an element of four gigabytes", { V "p=MIT/////" }, NULL,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "an element of unknown length", { V "p=MIAAAA==" }, NULL,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no RSA key" },
	{ "an Ed25519 key without k=", { V "p=" ED }, ED, DKIM_KEY_ED25519,
	    DKIM_KEY_BAD, "no RSA key" },

	/* Ed25519, RFC 8463. */
	{ "Ed25519, RFC 8463 §4.1", { V "k=ed25519; p=" ED }, ED,
	    DKIM_KEY_ED25519, DKIM_KEY_GOOD, NULL },
	{ "another Ed25519 key", { V "k=ed25519; p=" ED_OTHER }, ED,
	    DKIM_KEY_ED25519, DKIM_KEY_DIFFERENT, "another key" },
	{ "Ed25519 in DER", { V "k=ed25519; p=" ED_WRAPPED }, ED,
	    DKIM_KEY_ED25519, DKIM_KEY_BAD, "wrapped in DER" },
	{ "31 octets", { V "k=ed25519; p=AAAA" }, NULL, DKIM_KEY_ED25519,
	    DKIM_KEY_BAD, "no Ed25519 key" },
	{ "an RSA key as Ed25519", { V "k=ed25519; p=" RSA }, ED,
	    DKIM_KEY_ED25519, DKIM_KEY_BAD, "no Ed25519 key" },
	{ "RSA where Ed25519 signs", { V "k=rsa; p=" RSA }, ED,
	    DKIM_KEY_ED25519, DKIM_KEY_DIFFERENT,
	    "an RSA key, but an Ed25519 key signs here" },
	{ "Ed25519 where RSA signs", { V "k=ed25519; p=" ED }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_DIFFERENT,
	    "an Ed25519 key, but an RSA key signs here" },

	/* Several records, and others, §3.6.2.2. */
	{ "SPF at the name, by a wildcard", { "v=spf1 -all" }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_MISSING, "no DKIM key" },
	{ "words at the name", { "hello" }, RSA, DKIM_KEY_RSA, DKIM_KEY_MISSING,
	    "no DKIM key" },
	{ "an empty string at the name", { "" }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_MISSING, "no DKIM key" },
	{ "another version", { "v=DKIM2; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_MISSING, "no DKIM key" },
	{ "blanks in the place of semicolons, §6.1.2",
	    { "v=DKIM1 k=rsa p=" RSA }, RSA, DKIM_KEY_RSA, DKIM_KEY_BAD,
	    NAME " has no semicolon behind v=DKIM1: publish" },
	{ "commas in the place of semicolons", { "v=DKIM1, p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "no semicolon" },
	{ "such a one beside the key", { "v=DKIM1 p=" RSA, V "p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "one of the 2" },
	{ "a version that only begins so", { "v=DKIM11; p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_MISSING, "no DKIM key" },
	{ "the version has case", { "v=dkim1; p=" RSA }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_MISSING, "no DKIM key" },
	{ "SPF beside the key", { "v=spf1 -all", V "p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_GOOD, NULL },
	{ "the key twice", { V "p=" RSA, "p=" RSA_BARE }, RSA, DKIM_KEY_RSA,
	    DKIM_KEY_GOOD, NULL },
	{ "the key and another", { V "p=" RSA, V "p=" RSA_OTHER }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_DIFFERENT,
	    "one of the 2 records at " NAME " has another key" },
	{ "another and the key", { V "p=" RSA_OTHER, V "p=" RSA }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_DIFFERENT, "one of the 2" },
	{ "the key and a revoked one", { V "p=" RSA, "x", V "p=" }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_REVOKED, "one of the 2" },
	{ "the key and a broken one", { V "p=" RSA, V "p=?" }, RSA,
	    DKIM_KEY_RSA, DKIM_KEY_BAD, "one of the 2" },
};

static void
drive(struct dkim_key *key, const struct dns_answer *answer)
{
	const struct dns_question *question = dkim_key_machine.asks(key);
	struct dns_question hint;

	assert_non_null(question);
	assert_string_equal(question->name, NAME);
	assert_int_equal(question->type, DNS_TXT);
	assert_int_equal(dkim_key_machine.hints(key, &hint, 1), 0);
	dkim_key_machine.answer(key, answer);
	assert_null(dkim_key_machine.asks(key));
}

/* The finding for length octets of each of count records. */
static const struct dkim_key_finding *
find(const struct dkim_key_wanted *wanted, const struct dns_record *records,
    size_t count, struct arena *arena)
{
	struct dns_answer answer = { .status = DNS_FOUND,
		.ttl_s = TTL_S,
		.records = records,
		.count = count };
	struct dkim_key *key = dkim_key_begin(wanted, arena);

	assert_non_null(key);
	drive(key, &answer);
	return dkim_key_finding(key);
}

static bool
is_right(const struct key_case *c, const struct dkim_key_finding *finding)
{
	bool has_words = finding->words != NULL;

	return finding->state == c->want && has_words == (c->words != NULL)
	    && (!has_words || strstr(finding->words, c->words) != NULL)
	    && strcmp(finding->name, NAME) == 0 && finding->ttl_s == TTL_S
	    && (finding->record == NULL) == (c->want == DKIM_KEY_MISSING);
}

static void
test_keys(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct key_case *c = &cases[i];
		struct dkim_key_wanted wanted = { "example.com", "s1", c->type,
			c->wanted };
		const struct dkim_key_finding *finding;
		struct dns_record records[RECORDS];
		struct arena arena;
		size_t count = 0;

		arena_init(&arena, ARENA_BYTES);
		for (; count < RECORDS && c->records[count] != NULL; count++)
			records[count] = (struct dns_record){
				.text = c->records[count],
				.text_length = strlen(c->records[count]),
			};
		finding = find(&wanted, records, count, &arena);
		if (!is_right(c, finding)) {
			print_error("%s: wanted %s (%s), got %s (%s)\n",
			    c->name, dkim_key_state_name(c->want),
			    c->words != NULL ? c->words : "no words",
			    dkim_key_state_name(finding->state),
			    finding->words != NULL ? finding->words
						   : "no words");
			wrong++;
		}
		arena_clear(&arena);
	}
	if (wrong > 0)
		fail_msg("%zu of %zu keys wrong", wrong, COUNT(cases));
}

/* One record of length octets. */
static const struct dkim_key_finding *
find_text(const char *text, size_t length, struct arena *arena)
{
	static const struct dkim_key_wanted wanted = { "example.com", "s1",
		DKIM_KEY_RSA, RSA };
	struct dns_record record = { .text = text, .text_length = length };

	return find(&wanted, &record, 1, arena);
}

static void
test_flags(void **state)
{
	static const struct {
		const char *text;
		bool is_testing, is_strict;
	} flags[] = {
		{ V "p=" RSA, false, false },
		{ V "t=y; p=" RSA, true, false },
		{ V "t=s; p=" RSA, false, true },
		{ V "t= y : s; p=" RSA, true, true },
		{ V "t=x:s:z; p=" RSA, false, true },
		{ V "t=Y; p=" RSA, false, false },
		{ V "t=ys; p=" RSA, false, false },
		{ V "t=; p=" RSA, false, false },
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(flags); i++) {
		const struct dkim_key_finding *finding =
		    find_text(flags[i].text, strlen(flags[i].text), &arena);

		if (finding->state != DKIM_KEY_GOOD
		    || finding->is_testing != flags[i].is_testing
		    || finding->is_strict != flags[i].is_strict
		    || finding->bits != 1024)
			fail_msg("%.24s: got %s, testing %d, strict %d, %u",
			    flags[i].text, dkim_key_state_name(finding->state),
			    finding->is_testing, finding->is_strict,
			    finding->bits);
	}
	arena_clear(&arena);
}

static void
test_octets(void **state)
{
	static const char nul[] = V "x=a\0b; p=" RSA;
	const struct dkim_key_finding *finding;
	struct arena arena;
	char *text;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	finding = find_text(nul, sizeof(nul) - 1, &arena);
	assert_int_equal(finding->state, DKIM_KEY_BAD);
	assert_int_equal(strlen(finding->record), sizeof(nul) - 1);
	text = malloc(70000);
	assert_non_null(text);
	memset(text, ';', 70000);
	finding = find_text(text, 70000, &arena);
	assert_int_equal(finding->state, DKIM_KEY_BAD);
	assert_non_null(strstr(finding->words, "more text"));
	memset(text, 'A', 70000);
	memcpy(text, "p=", 2);
	finding = find_text(text, 16384, &arena);
	assert_int_equal(finding->state, DKIM_KEY_BAD);
	free(text);
	arena_clear(&arena);
}

/* Base64 without its '=', and with blanks anywhere (§2.10). */
static void
test_blanks(void **state)
{
	static const char p[] = V "k=ed25519; p=", key[] = ED;
	static const struct dkim_key_wanted wanted = { "example.com", "s1",
		DKIM_KEY_ED25519, ED };
	char text[256];
	size_t used = sizeof(p) - 1;
	struct dns_record record = { .text = text };
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	memcpy(text, p, used);
	for (const char *at = key; *at != '='; at++) {
		text[used++] = *at;
		text[used] = "\t \r\n"[used % 4];
		used++;
	}
	record.text_length = used;
	assert_int_equal(
	    find(&wanted, &record, 1, &arena)->state, DKIM_KEY_GOOD);
	text[used++] = '=';
	record.text_length = used;
	assert_int_equal(
	    find(&wanted, &record, 1, &arena)->state, DKIM_KEY_GOOD);
	arena_clear(&arena);
}

static void
expect_none(const struct dns_answer *answer, enum dkim_key_state state,
    const char *words)
{
	static const struct dkim_key_wanted wanted = { "example.com", "s1",
		DKIM_KEY_RSA, RSA };
	const struct dkim_key_finding *finding;
	struct arena arena;
	struct dkim_key *key;

	arena_init(&arena, ARENA_BYTES);
	key = dkim_key_begin(&wanted, &arena);
	assert_non_null(key);
	drive(key, answer);
	finding = dkim_key_finding(key);
	assert_int_equal(finding->state, state);
	assert_non_null(strstr(finding->words, words));
	assert_null(finding->record);
	arena_clear(&arena);
}

static void
test_answers(void **state)
{
	static const struct dns_answer nxdomain = { .status = DNS_NXDOMAIN,
		.ttl_s = TTL_S },
				       nodata = { .status = DNS_NODATA,
					       .ttl_s = TTL_S },
				       lost = { .status = DNS_LOST,
					       .why = "SERVFAIL" },
				       silent = { .status = DNS_LOST };

	(void)state;
	expect_none(&nxdomain, DKIM_KEY_MISSING, NAME " isn't published");
	expect_none(&nodata, DKIM_KEY_MISSING, NAME " isn't published");
	expect_none(&lost, DKIM_KEY_LOST, NAME " can't be looked up (SERVFAIL");
	expect_none(&silent, DKIM_KEY_LOST, "no answer");
}

static void
test_names(void **state)
{
	static const char *const selectors[] = { "", "a..b", ".", "s1.",
		"0123456789012345678901234567890123456789012345678901234567890"
		"123" };
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(selectors); i++) {
		struct dkim_key_wanted wanted = { "example.com", selectors[i],
			DKIM_KEY_RSA, NULL };
		struct dkim_key *key = dkim_key_begin(&wanted, &arena);

		assert_non_null(key);
		if (dkim_key_machine.asks(key) != NULL
		    || dkim_key_finding(key)->state != DKIM_KEY_BAD
		    || dkim_key_finding(key)->words == NULL)
			fail_msg("selector '%s': not refused", selectors[i]);
	}
	arena_clear(&arena);
}

/* A name with control characters comes out clean. */
static void
test_clean(void **state)
{
	static const struct dkim_key_wanted wanted = { "example.com",
		"s\r\n1\x1b", DKIM_KEY_RSA, NULL };
	static const struct dns_answer answer = { .status = DNS_NXDOMAIN };
	struct arena arena;
	struct dkim_key *key;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	key = dkim_key_begin(&wanted, &arena);
	assert_non_null(key);
	dkim_key_machine.answer(key, &answer);
	assert_non_null(strstr(dkim_key_finding(key)->words, "s??1?._domain"));
	arena_clear(&arena);
}

/* With ever more memory it comes to the same end, and never to a good one
 * before. */
static void
test_memory(void **state)
{
	static const char text[] = V "p=" RSA;
	static const struct dkim_key_wanted wanted = { "example.com", "s1",
		DKIM_KEY_RSA, RSA };
	struct dns_record record = { .text = text,
		.text_length = sizeof(text) - 1 };
	bool was_good = false;

	(void)state;
	for (size_t cap = 0; cap < 4096; cap += 8) {
		struct arena arena;
		struct dkim_key *key;
		enum dkim_key_state got;

		arena_init(&arena, cap);
		key = dkim_key_begin(&wanted, &arena);
		if (key == NULL) {
			arena_clear(&arena);
			continue;
		}
		drive(key,
		    &(struct dns_answer){
			.status = DNS_FOUND, .records = &record, .count = 1 });
		got = dkim_key_finding(key)->state;
		if (got != DKIM_KEY_GOOD && (was_good || got != DKIM_KEY_LOST))
			fail_msg("%zu octets of memory: got %s", cap,
			    dkim_key_state_name(got));
		if (got == DKIM_KEY_LOST)
			assert_string_equal(
			    "out of memory", dkim_key_finding(key)->words);
		was_good |= got == DKIM_KEY_GOOD;
		arena_clear(&arena);
	}
	assert_true(was_good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_blanks),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
