#include "milter/ctl/import_opendkim_names.h"

#include "policy/text.h"

#include <string.h>

enum fate {
	CONVERTED, /* by another part, which tells what there is to tell */
	NEEDLESS,  /* nothing is lost */
	VERIFIES,  /* about mail that comes in: the note on Mode says it */
	NOTED,
	LOST,
};

struct name {
	const char *name;
	enum fate fate;
	const char *words; /* of NOTED and LOST */
	bool is_boolean;   /* nothing is lost if it is false */
};

/* What several of them have in common. */
static const char no_script[] =
    "postern runs no Lua scripts; what this one decides isn't decided any "
    "more";
static const char no_part[] =
    "postern signs whole messages, never a part of the body (l=)";
static const char no_vbr[] = "postern adds no VBR-Info field";
static const char has_limits[] =
    "postern counts by its own limits (limit \"...\" { })";
static const char has_metrics[] =
    "postern counts what it does itself: see posternctl status and the log";
static const char no_replacing[] =
    "postern signs the header as it is; if the MTA rewrites it afterwards, "
    "let the MTA do that before the milter sees it";

static const struct name names[] = {
	{ "ADSPAction", VERIFIES, NULL, false },
	{ "ADSPNoSuchDomain", VERIFIES, NULL, false },
	{ "AllowSHA1Only", VERIFIES, NULL, false },
	{ "AlwaysAddARHeader", VERIFIES, NULL, false },
	{ "AlwaysSignHeaders", NOTED, "write the fields into sign.oversign",
	    false },
	{ "ATPSDomains", LOST, "postern adds no atps= tag (RFC 6541)", false },
	{ "ATPSHashAlgorithm", NEEDLESS, NULL, false },
	{ "AuthservID", VERIFIES, NULL, false },
	{ "AuthservIDWithJobID", VERIFIES, NULL, false },
	{ "AutoRestart", NEEDLESS, NULL, false },
	{ "AutoRestartCount", NEEDLESS, NULL, false },
	{ "AutoRestartRate", NEEDLESS, NULL, false },
	{ "Background", NEEDLESS, NULL, false },
	{ "BaseDirectory", CONVERTED, NULL, false },
	{ "BodyLengthDB", NOTED, no_part, false },
	{ "BogusKey", VERIFIES, NULL, false },
	{ "BogusPolicy", VERIFIES, NULL, false },
	{ "Canonicalization", CONVERTED, NULL, false },
	{ "CaptureUnknownErrors", NOTED,
	    "postern holds no message for an error; see sign.on_key_error",
	    true },
	{ "ChangeRootDirectory", LOST,
	    "postern changes no root directory: paths of keys that were meant "
	    "below it must be written in full",
	    false },
	{ "ClockDrift", VERIFIES, NULL, false },
	{ "ConditionalSignatures", LOST,
	    "postern makes no conditional signatures", false },
	{ "DefaultSender", NOTED,
	    "a message without a usable From is never signed", false },
	{ "DiagnosticDirectory", VERIFIES, NULL, false },
	{ "Diagnostics", NOTED, "postern adds no z= tag", true },
	{ "DisableCryptoInit", NEEDLESS, NULL, false },
	{ "DNSConnect", NEEDLESS, NULL, false },
	{ "DNSTimeout", CONVERTED, NULL, false },
	{ "Domain", CONVERTED, NULL, false },
	{ "DomainKeysCompat", VERIFIES, NULL, false },
	{ "DontSignMailTo", LOST, "mail to these recipients is signed too",
	    false },
	{ "EnableCoredumps", NEEDLESS, NULL, false },
	{ "ExemptDomains", NOTED,
	    "a domain without a key isn't signed, but its mail is judged and "
	    "counted like any other",
	    false },
	{ "ExternalIgnoreList", NEEDLESS, NULL, false },
	{ "FinalPolicyScript", LOST, no_script, false },
	{ "FixCRLF", NOTED,
	    "postern signs no message whose body has a lone CR: receivers "
	    "would not agree on it",
	    true },
	{ "FlowData", NOTED, has_limits, false },
	{ "FlowDataFactor", NEEDLESS, NULL, false },
	{ "FlowDataTTL", NEEDLESS, NULL, false },
	{ "IdentityHeader", LOST,
	    "postern's i= is what the SigningTable names, or none", false },
	{ "IdentityHeaderRemove", NEEDLESS, NULL, false },
	{ "IgnoreMalformedMail", NEEDLESS, NULL, false },
	{ "Include", CONVERTED, NULL, false },
	{ "InternalHosts", CONVERTED, NULL, false },
	{ "KeepAuthResults", VERIFIES, NULL, false },
	{ "KeepTemporaryFiles", NEEDLESS, NULL, false },
	{ "KeyFile", CONVERTED, NULL, false },
	{ "KeyTable", CONVERTED, NULL, false },
	{ "LDAPAuthMechanism", NEEDLESS, NULL, false },
	{ "LDAPAuthName", NEEDLESS, NULL, false },
	{ "LDAPAuthRealm", NEEDLESS, NULL, false },
	{ "LDAPAuthUser", NEEDLESS, NULL, false },
	{ "LDAPBindPassword", NEEDLESS, NULL, false },
	{ "LDAPBindUser", NEEDLESS, NULL, false },
	{ "LDAPDisableCache", NEEDLESS, NULL, false },
	{ "LDAPKeepaliveIdle", NEEDLESS, NULL, false },
	{ "LDAPKeepaliveInterval", NEEDLESS, NULL, false },
	{ "LDAPKeepaliveProbes", NEEDLESS, NULL, false },
	{ "LDAPTimeout", NEEDLESS, NULL, false },
	{ "LDAPUseTLS", NEEDLESS, NULL, false },
	{ "LocalADSP", VERIFIES, NULL, false },
	{ "LogResults", VERIFIES, NULL, false },
	{ "LogWhy", NOTED,
	    "the log line of each message says why it isn't signed; posternctl "
	    "explain says more",
	    true },
	{ "LuaOnlySigning", LOST, no_script, true },
	{ "MacroList", CONVERTED, NULL, false },
	{ "MaximumHeaders", NOTED,
	    "a header that is too large is left unsigned, never refused; the "
	    "bound can't be set",
	    false },
	{ "MaximumSignaturesToVerify", VERIFIES, NULL, false },
	{ "MaximumSignedBytes", NOTED, no_part, false },
	{ "MilterDebug", NEEDLESS, NULL, false },
	{ "Minimum", VERIFIES, NULL, false },
	{ "MinimumKeyBits", CONVERTED, NULL, false },
	{ "Mode", CONVERTED, NULL, false },
	{ "MTA", CONVERTED, NULL, false },
	{ "MTACommand", VERIFIES, NULL, false },
	{ "MultipleSignatures", CONVERTED, NULL, false },
	{ "MustBeSigned", VERIFIES, NULL, false },
	{ "Nameservers", CONVERTED, NULL, false },
	{ "NoHeaderB", VERIFIES, NULL, false },
	{ "OmitHeaders", CONVERTED, NULL, false },
	{ "On-BadSignature", VERIFIES, NULL, false },
	{ "On-Default", CONVERTED, NULL, false },
	{ "On-DNSError", VERIFIES, NULL, false },
	{ "On-InternalError", NOTED,
	    "what happens while postern can't work is the MTA's "
	    "milter_default_action",
	    false },
	{ "On-KeyNotFound", VERIFIES, NULL, false },
	{ "On-NoSignature", VERIFIES, NULL, false },
	{ "On-PolicyError", VERIFIES, NULL, false },
	{ "On-ReputationError", VERIFIES, NULL, false },
	{ "On-Security", VERIFIES, NULL, false },
	{ "On-SignatureError", CONVERTED, NULL, false },
	{ "OversignHeaders", CONVERTED, NULL, false },
	{ "PeerList", CONVERTED, NULL, false },
	{ "PidFile", NEEDLESS, NULL, false },
	{ "POPDBFile", LOST,
	    "postern knows no POP before SMTP; let clients log in, or put "
	    "their networks into relay_networks",
	    false },
	{ "Quarantine", VERIFIES, NULL, false },
	{ "QueryCache", NEEDLESS, NULL, false },
	{ "RateLimits", NOTED, has_limits, false },
	{ "RedirectFailuresTo", VERIFIES, NULL, false },
	{ "RemoveARAll", VERIFIES, NULL, false },
	{ "RemoveARFrom", VERIFIES, NULL, false },
	{ "RemoveOldSignatures", NOTED,
	    "signatures that a message has already stay", true },
	{ "ReplaceHeaders", NEEDLESS, NULL, false },
	{ "ReplaceRules", LOST, no_replacing, false },
	{ "ReportAddress", VERIFIES, NULL, false },
	{ "ReportBccAddress", VERIFIES, NULL, false },
	{ "ReputationCache", VERIFIES, NULL, false },
	{ "ReputationCacheTTL", VERIFIES, NULL, false },
	{ "ReputationDuplicates", VERIFIES, NULL, false },
	{ "ReputationLimitModifiers", VERIFIES, NULL, false },
	{ "ReputationLimits", VERIFIES, NULL, false },
	{ "ReputationLowTime", VERIFIES, NULL, false },
	{ "ReputationMinimum", VERIFIES, NULL, false },
	{ "ReputationRatios", VERIFIES, NULL, false },
	{ "ReputationRRDHashDepth", VERIFIES, NULL, false },
	{ "ReputationRRDRoot", VERIFIES, NULL, false },
	{ "ReputationSpamCheck", VERIFIES, NULL, false },
	{ "ReputationTest", VERIFIES, NULL, false },
	{ "ReputationTimeFactor", VERIFIES, NULL, false },
	{ "ReputationTimeout", VERIFIES, NULL, false },
	{ "ReputationVerbose", VERIFIES, NULL, false },
	{ "RequestReports", NOTED,
	    "postern asks for no reports in a signature (r=y)", true },
	{ "RequiredHeaders", NOTED,
	    "postern looks at From only: see senders.on_bad_from", true },
	{ "RequireSafeKeys", CONVERTED, NULL, false },
	{ "ResignAll", NEEDLESS, NULL, false },
	{ "ResignMailTo", LOST,
	    "postern doesn't sign mail that comes in for a list once more",
	    false },
	{ "ResolverConfiguration", NOTED,
	    "postern's resolver is set by dns { } alone", false },
	{ "ResolverTracing", NEEDLESS, NULL, false },
	{ "ScreenPolicyScript", LOST, no_script, false },
	{ "SelectCanonicalizationHeader", NOTED,
	    "a message can't choose its canonicalization", false },
	{ "Selector", CONVERTED, NULL, false },
	{ "SendADSPReports", VERIFIES, NULL, false },
	{ "SenderHeaders", CONVERTED, NULL, false },
	{ "SenderMacro", LOST,
	    "postern goes by From, as receivers do, not by a macro", false },
	{ "SendReports", VERIFIES, NULL, false },
	{ "SetupPolicyScript", LOST, no_script, false },
	{ "SignatureAlgorithm", CONVERTED, NULL, false },
	{ "SignatureTTL", CONVERTED, NULL, false },
	{ "SignHeaders", CONVERTED, NULL, false },
	{ "SigningTable", CONVERTED, NULL, false },
	{ "SMTPURI", VERIFIES, NULL, false },
	{ "Socket", CONVERTED, NULL, false },
	{ "SoftStart", NEEDLESS, NULL, false },
	{ "SoftwareHeader", NOTED, "postern adds no DKIM-Filter field", true },
	{ "Statistics", NOTED, has_metrics, false },
	{ "StatisticsName", NEEDLESS, NULL, false },
	{ "StatisticsPolicyScript", LOST, no_script, false },
	{ "StatisticsPrefix", NEEDLESS, NULL, false },
	{ "StrictHeaders", NOTED,
	    "postern looks at From only: see senders.on_bad_from", true },
	{ "StrictTestMode", NEEDLESS, NULL, false },
	{ "SubDomains", CONVERTED, NULL, false },
	{ "Syslog", NEEDLESS, NULL, false },
	{ "SyslogFacility", CONVERTED, NULL, false },
	{ "SyslogName", NOTED, "postern calls itself \"postern\" in the log",
	    false },
	{ "SyslogSuccess", NEEDLESS, NULL, false },
	{ "TemporaryDirectory", NEEDLESS, NULL, false },
	{ "TestDNSData", VERIFIES, NULL, false },
	{ "TestPublicKeys", VERIFIES, NULL, false },
	{ "TrustAnchorFile", CONVERTED, NULL, false },
	{ "TrustSignaturesFrom", VERIFIES, NULL, false },
	{ "UMask", NEEDLESS, NULL, false },
	{ "UnprotectedKey", VERIFIES, NULL, false },
	{ "UnprotectedPolicy", VERIFIES, NULL, false },
	{ "UserID", CONVERTED, NULL, false },
	{ "VBR-Certifiers", NOTED, no_vbr, false },
	{ "VBR-PurgeFields", NOTED, no_vbr, true },
	{ "VBR-TrustedCertifiers", VERIFIES, NULL, false },
	{ "VBR-TrustedCertifiersOnly", VERIFIES, NULL, false },
	{ "VBR-Type", NOTED, no_vbr, false },
	{ "WeakSyntaxChecks", VERIFIES, NULL, false },
	{ "X-Header", NOTED, "postern adds no DKIM-Filter field", true },
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static const struct name *
find_name(const char *text)
{
	for (size_t i = 0; i < NAMES; i++)
		if (text_equal_case(names[i].name, text))
			return &names[i];
	return NULL;
}

static void
note_fate(struct import *import, const struct import_setting *setting,
    const struct name *name)
{
	if (name->is_boolean && !import_is_true(setting->value))
		return;
	if (name->fate == NOTED)
		import_note(import, setting, "%s", name->words);
	else if (name->fate == LOST)
		import_loss(import, setting, "%s", name->words);
}

void
import_names(struct import *import)
{
	for (const struct import_setting *setting = import->settings.first;
	     setting != NULL; setting = setting->next) {
		const struct name *name = find_name(setting->name);

		if (name == NULL)
			import_loss(import, setting,
			    "OpenDKIM has no such setting: nothing was made of "
			    "it");
		else if (*setting->value == '\0')
			import_loss(import, setting, "has no value");
		else if (name->fate == CONVERTED
		    && text_equal_case(name->name, "Include"))
			continue;
		else if (import_find(import, name->name) != setting)
			import_note(
			    import, setting, "a later line of that name holds");
		else
			note_fate(import, setting, name);
	}
}
