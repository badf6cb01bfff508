/* known_leaks: tells the leak sanitizer of a program that it is linked into
 * what libopendkim 2.11.0~beta2 never frees: of each Ed25519 signature the key
 * and 64 octets. For programs that sign only: what our own code should lose of
 * OpenSSL's is hidden too, because libcrypto has no frame pointers that would
 * show who called it. Without a sanitizer it does nothing. */

const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}

const char *
__lsan_default_suppressions(void)
{
	return "leak:dkim_privkey_load\nleak:libcrypto.so\n";
}
