"""corpus_author: From in all the ways it is written, good and bad (RFC 5322
sections 3.4, 3.6.2 and 4.4; RFC 6532; RFC 6854)."""

from .corpus_mail import (COLON, CUT, IDN, LOGIN, LONG, NUL, OTHER, OWN,
                          SUFFIX, Mail, make)

_KOM = "\u00e9\u4f60"

# name, From line (or lines)
_SIGNED = (
    ("address alone", f"From: {LOGIN}"),
    ("angle alone", f"From: <{LOGIN}>"),
    ("no blank after the colon", f"From:{LOGIN}"),
    ("tab after the colon", f"From:\t{LOGIN}"),
    ("many blanks after the colon", f"From: \t  {LOGIN}  \t "),
    ("upper case name", f"FROM: {LOGIN}"),
    ("lower case name", f"from: {LOGIN}"),
    ("mixed case name", f"fRoM: {LOGIN}"),
    ("colleague", f"From: Info <info@{OWN}>"),
    ("subdomain", f"From: x@news.{OWN}"),
    ("deep subdomain", f"From: x@1.2.3.4.5.{OWN}"),
    ("upper case domain", f"From: Alice <alice@{OWN.upper()}>"),
    ("one trailing dot", f"From: alice@{OWN}."),
    ("underscore in a label", f"From: root@db_1.{OWN}"),
    ("label of 63 octets", f"From: x@{'l' * 63}.{OWN}"),
    ("long domain", f"From: x@{('d' * 59 + '.') * 3}{OWN}"),
    ("local part of 64 octets", f"From: {'l' * 64}@{OWN}"),
    ("local part of 300 octets", f"From: {'l' * 300}@{OWN}"),
    ("blanks around the at", f"From: Alice <alice @ {OWN}>"),
    ("blanks around the dot", "From: Alice < alice @ a . example >"),
    ("folds around the at", "From: Alice <alice\r\n @\r\n\ta.example>"),
    ("comments around the at", "From: alice(x)@(y)a(z).(w)example"),
    ("comment behind", f"From: {LOGIN} (Alice)"),
    ("comment before", f"From: (Alice) {LOGIN}"),
    ("nested comments", f"From: (a(b(c)\\)d)e) {LOGIN} ((()))"),
    ("deeply nested comments", f"From: {'(' * 400}{')' * 400} {LOGIN}"),
    ("address in a comment", f"From: (x@{OTHER}) {LOGIN}"),
    ("comment with a fold", f"From: (a\r\n b) {LOGIN}"),
    ("quoted name", f"From: \"Alice, of A.\" <{LOGIN}>"),
    ("quoted name with escapes", f"From: \"Al\\\"ice\\\\\" <{LOGIN}>"),
    ("quoted name with an at", f"From: \"x at y@z\" <{LOGIN}>"),
    ("quoted name with a fold", f"From: \"Alice\r\n  of A\" <{LOGIN}>"),
    ("name with a dot", f"From: A. Lice <{LOGIN}>"),
    ("empty quoted name", f"From: \"\" <{LOGIN}>"),
    ("quoted local part", f"From: \"al ice\"@{OWN}"),
    ("quoted local part with an at", f"From: <\"al@ice\"@{OWN}>"),
    ("quoted local part with escapes", f"From: \"a\\\"b\\\\\"@{OWN}"),
    ("quoted local part with an angle", f"From: \"a>b\"@{OWN}"),
    ("dots in the local part", f"From: .a..b.@{OWN}"),
    ("odd signs in the local part", f"From: a!#$%&'*+-/=?^_`{{|}}~b@{OWN}"),
    ("two mailboxes", f"From: {LOGIN}, Bob <bob@{OWN}>"),
    ("three mailboxes, folded",
     f"From: {LOGIN},\r\n\tBob <bob@{OWN}>,\r\n c@{OWN}"),
    ("64 mailboxes", "From: " + ",\r\n ".join(
        f"{number}@{OWN}" for number in range(64))),
    ("empty elements in the list", f"From: ,, {LOGIN},,"),
    ("group of one", f"From: Staff: {LOGIN};"),
    ("group of two", f"From: Staff: {LOGIN}, bob@{OWN};"),
    ("group beside a mailbox", f"From: Nobody:;, {LOGIN}"),
    ("obsolete route", f"From: <@x.example,@y.example:{LOGIN}>"),
    ("encoded word", f"From: =?utf-8?q?Zo=C3=AB?= <{LOGIN}>"),
    ("encoded words, folded",
     f"From: =?utf-8?b?Wm/Dqw==?=\r\n =?iso-8859-1?q?=E9?= <{LOGIN}>"),
    ("encoded word with another's address",
     f"From: =?utf-8?q?x=40{OTHER}?= <{LOGIN}>"),
    ("UTF-8 name", f"From: Zo\u00eb \u4f60 <{LOGIN}>"),
    ("UTF-8 quoted name", f"From: \"Zo\u00eb\" <{LOGIN}>"),
    ("UTF-8 comment", f"From: {LOGIN} (\u20ac)"),
    ("Latin-1 name", b"From: Zo\xeb <alice@a.example>"),
    ("raw ISO-2022-JP name", f"From: \x1b$B$\"\x1b(B <{LOGIN}>"),
    ("control character in the name", f"From: Al\x01ice <{LOGIN}>"),
    ("quote that isn't closed", f"From: \"Alice <{LOGIN}>"),
    ("name of specials", f"From: Alice [A] <{LOGIN}>"),
    ("same address as name", f"From: {LOGIN} <{LOGIN}>"),
    ("fold after the colon", f"From:\r\n {LOGIN}"),
    ("folds everywhere", "From:\r\n Alice\r\n\tof\r\n A\r\n "
     f"<{LOGIN}>\r\n (who\r\n else)"),
    ("line of blanks at the end", f"From: {LOGIN}\r\n \t "),
    ("line of blanks inside", f"From: Alice\r\n \r\n\t\r\n <{LOGIN}>"),
    ("line of blanks first", f"From: \r\n \r\n {LOGIN}"),
    ("comment of 40 kB", f"From: ({'x' * 40_000}) {LOGIN}"),
    ("folded name of 50 kB", "From: " + "Alice\r\n " * 6_200
     + f"<{LOGIN}>"),
)

# name, From line or lines, why
_NEVER = (
    ("no From", None, "From is missing"),
    ("empty", "From:", "no address"),
    ("a blank", "From: ", "no address"),
    ("blanks and folds", "From: \r\n \r\n\t", "no address"),
    ("two alike", [f"From: {LOGIN}"] * 2, "From is doubled"),
    ("two of one domain", [f"From: {LOGIN}", f"From: bob@{OWN}"],
     "From is doubled"),
    ("two of different domains",
     [f"From: {LOGIN}", f"From: bob@{OTHER}"], "From is doubled"),
    ("two, the other one first",
     [f"From: bob@{OTHER}", f"From: {LOGIN}"], "From is doubled"),
    ("two in different case",
     [f"From: {LOGIN}", f"FROM: bob@{OTHER}"], "From is doubled"),
    ("two, one empty", [f"From: {LOGIN}", "From:"], "From is doubled"),
    ("three", [f"From: {LOGIN}"] * 3, "From is doubled"),
    ("IPv4 literal", "From: alice@[192.0.2.1]", "an address literal"),
    ("IPv6 literal", "From: <alice@[IPv6:2001:db8::1]>",
     "an address literal"),
    ("literal with a domain in it", f"From: alice@[{OWN}]",
     "an address literal"),
    ("literal among mailboxes", f"From: {LOGIN}, x@[192.0.2.1]",
     "an address literal"),
    ("address without brackets", "From: alice@192.0.2.1",
     "nobody's domain"),
    ("unclosed angle", f"From: Alice <{LOGIN}", "no end of the address"),
    ("unclosed angle with text", f"From: <{LOGIN} Alice",
     "no end of the address"),
    ("unopened angle", f"From: Alice {LOGIN}>", "no begin of the address"),
    ("angles the wrong way", f"From: >{LOGIN}<", "no address"),
    ("label of 64 octets", f"From: alice@{'l' * 64}.{OWN}",
     "no such domain can be (RFC 1035 section 2.3.4)"),
    ("domain of 254 octets", f"From: x@{('d' * 60 + '.') * 4}x.{OWN[-8:]}",
     "nobody's domain"),
    ("domain of 256 octets", f"From: x@{'d.' * 124}.{OWN}"[:264],
     "no such domain can be"),
    ("long domain below one's own", f"From: x@{('d' * 60 + '.') * 4}{OWN}",
     "no such domain can be"),
    ("empty group", "From: undisclosed:;", "no address"),
    ("several empty groups", "From: a:;, b: ;", "no address"),
    ("group that isn't closed", f"From: Staff: {LOGIN}",
     "which address isn't sure"),
    ("comment alone", f"From: ({LOGIN})", "no address"),
    ("quoted string alone", f"From: \"{LOGIN}\"", "no address"),
    ("name alone", "From: Alice", "no address"),
    ("empty angle", "From: <>", "no address"),
    ("name and empty angle", f"From: {LOGIN} <>", "no address"),
    ("angle without domain", "From: <alice>", "no domain"),
    ("no domain", "From: alice@", "no domain"),
    ("no local part", f"From: @{OWN}", "no local part"),
    ("two ats", f"From: alice@@{OWN}", "which domain isn't sure"),
    ("two domains", f"From: alice@{OTHER}@{OWN}",
     "which domain isn't sure"),
    ("two dots in the domain", "From: alice@a..example",
     "no such domain can be"),
    ("two dots below one's own", f"From: alice@x..{OWN}",
     "no such domain can be"),
    ("leading dot in the domain", f"From: alice@.{OWN}",
     "no such domain can be"),
    ("two trailing dots", f"From: alice@{OWN}..", "no such domain can be"),
    ("dot alone", "From: alice@.", "no such domain can be"),
    ("blank in the domain", "From: alice@a example",
     "which domain isn't sure"),
    ("several words before the at", f"From: Alice {LOGIN}",
     "which address isn't sure"),
    ("two addresses without a comma", f"From: {LOGIN} bob@{OWN}",
     "which address isn't sure"),
    ("two angles", f"From: <{LOGIN}> <bob@{OTHER}>",
     "which address isn't sure"),
    ("two angles, the other one first", f"From: <bob@{OTHER}> <{LOGIN}>",
     "which address isn't sure"),
    ("angle in an angle", f"From: <<{LOGIN}>>",
     "which address isn't sure"),
    ("semicolon for a comma", f"From: {LOGIN}; bob@{OWN}",
     "which address isn't sure"),
    ("100 mailboxes", "From: " + ",\r\n ".join(
        f"{number}@{OWN}" for number in range(100)),
     "more mailboxes than anybody looks at"),
    ("Latin-1 in the domain", b"From: alice@\xe4.a.example",
     "no such domain can be"),
    ("overlong UTF-8 in the domain", b"From: alice@\xc0\xae.a.example",
     "no such domain can be"),
    ("control character in the domain", "From: alice@a\x01.example",
     "no such domain can be"),
    ("percent sign in the domain", f"From: alice@%.{OWN}",
     "no such domain can be"),
    ("slash in the domain", f"From: alice@../{OWN}",
     "no such domain can be"),
    ("encoded word as domain", "From: alice@=?utf-8?q?a=2Eexample?=",
     "no such domain can be"),
    ("another customer's", f"From: Bob <bob@{OTHER}>",
     "another customer's domain"),
    ("below another customer's", f"From: x@news.{OTHER}",
     "another customer's domain"),
    ("another customer's, in upper case", f"From: x@{OTHER.upper()}",
     "another customer's domain"),
    ("another customer's, with a dot", f"From: x@{OTHER}.",
     "another customer's domain"),
    ("another customer's behind one's own name",
     f"From: \"{LOGIN}\" <bob@{OTHER}>", "another customer's domain"),
    ("another customer's as route", f"From: <@{OWN}:bob@{OTHER}>",
     "another customer's domain"),
    ("another customer's after a comment",
     f"From: (alice@{OWN}) bob@{OTHER}", "another customer's domain"),
    ("one's own and another customer's", f"From: {LOGIN}, bob@{OTHER}",
     "another customer's domain"),
    ("another customer's in a group",
     f"From: Staff: bob@{OTHER}, {LOGIN};", "another customer's domain"),
    ("name that begins like one's own", f"From: x@{OWN}.evil.example",
     "nobody's domain"),
    ("name that ends like one's own", f"From: x@not{OWN}",
     "nobody's domain"),
    ("no dot in the domain", "From: alice@localhost", "nobody's domain"),
)


def _international() -> list:
    """U-labels and A-labels; the address is at most once in UTF-8."""
    login = f"anna@{IDN}"
    how = {"signer": IDN, "login": login, "sender": login}
    made = []
    for name, author in (
            ("A-label", f"anna@{IDN}"), ("A-label, upper case",
                                         f"anna@{IDN.upper()}"),
            ("U-label", "anna@m\u00fcller.example"),
            ("U-label, upper case", "Anna <anna@M\u00dcLLER.example>"),
            ("U-label, decomposed", "anna@mu\u0308ller.example"),
            ("subdomain of a U-label", "anna@n\u00ebws.m\u00fcller.example"),
            ("UTF-8 local part", f"\u4f60\u597d@{IDN}"),
            ("UTF-8 quoted local part", f"\"\u4f60 \u597d\"@{IDN}"),
            ("all in UTF-8", f"{_KOM} <{_KOM}@m\u00fcller.example>")):
        for params, kind in (("", "not declared"),
                             ("BODY=8BITMIME SMTPUTF8", "SMTPUTF8")):
            made.append(Mail(f"From: {name}, {kind}", "RFC 6532, RFC 8616",
                             make(author=f"From: {author}"), params=params,
                             **how))
    made.append(Mail(
        "From: SMTPUTF8 in the envelope too", "RFC 6531",
        make("Cc: \u4f60 <\u4f60\u597d@\u4f8b.example>",
             author=f"From: {_KOM}@m\u00fcller.example"),
        **{**how, "sender": f"{_KOM}@m\u00fcller.example"},
        params="BODY=8BITMIME SMTPUTF8", rcpts=("\u4f60@out.example",)))
    made.append(Mail(
        "From: U-label of nobody", "RFC 8616",
        make(author="From: x@m\u00fcll\u00e9r.example"), signer="",
        why="nobody's domain", login=login, sender=login))
    return made


def _suffix() -> list:
    """Nobody owns a public suffix, whatever key lies there."""
    login = f"x@{SUFFIX}"
    how = {"signer": "", "login": login, "sender": login,
           "section": "RFC 6376 section 6.1.1"}
    return [
        Mail(name="From: public suffix", octets=make(author=f"From: {login}"),
             why="a public suffix", **how),
        Mail(name="From: shop below a public suffix",
             octets=make(author=f"From: x@shop.{SUFFIX}"),
             why="a public suffix is nobody's parent",
             is_provider_only=True, **how),
    ]


def _others() -> list:
    spaced = [("blank", "From : "), ("tab", "From\t:"),
              ("blanks", "FROM \t :  ")]
    made = [Mail(f"From: {name} before the colon", "RFC 5322 section 4.5",
                 make(author=one + LOGIN), altered=COLON)
            for name, one in spaced]
    for name, line in (
            ("blank", f"From : bob@{OTHER}"), ("tab", f"From\t: x@{OWN}")):
        made.append(Mail(
            f"From: two, one with a {name} before the colon",
            "RFC 5322 section 3.6.2", make(line), signer="", altered=COLON,
            why="From is doubled"))
    for name, line, signer in (
            ("NUL behind the address", b"From: alice@a.example\0.evil", OWN),
            ("NUL in the name", b"From: Al\0ice <alice@a.example>", ""),
            ("NUL before the address", b"From: \0alice@a.example", ""),
            ("NUL in the domain", b"From: alice@a\0.example", "")):
        made.append(Mail(f"From: {name}", "RFC 5322 section 4",
                         make(author=line), signer=signer, altered=NUL,
                         why="" if signer else "no address is left"))
    made.append(Mail(
        "From: folded name of 80 kB", "Postfix, header_size_limit",
        make(author="From: " + "Alice\r\n " * 10_000 + f"<{LOGIN}>"),
        signer="", why="no address is left", altered=CUT))
    login = f"x@{LONG}"
    made.append(Mail("From: domain with a key, 205 octets",
                     "RFC 1035 section 2.3.4",
                     make(author=f"From: {login}"), signer=LONG,
                     login=login, sender=login))
    made.append(Mail(
        "From: vertical tab in the name", "RFC 6376 section 3.4.2",
        make(author=f"From: Al\vice <{LOGIN}>"), is_simple_only=True,
        why="relaxing verifiers differ in what a vertical tab becomes"))
    made.append(Mail(
        "From: null sender", "RFC 5321 section 4.5.5", make(), sender=""))
    made.append(Mail(
        "From: Sender is another's", "RFC 5322 section 3.6.2",
        make(f"Sender: bob@{OTHER}")))
    made.append(Mail(
        "From: Sender is one's own, From another's",
        "RFC 5322 section 3.6.2",
        make(f"Sender: {LOGIN}", author=f"From: bob@{OTHER}"), signer="",
        why="another customer's domain"))
    made.append(Mail(
        "From: Resent-From is one's own, From another's",
        "RFC 5322 section 3.6.6",
        make(f"Resent-From: {LOGIN}", author=f"From: bob@{OTHER}"),
        signer="", why="another customer's domain"))
    return made


def mails() -> list:
    made = [Mail(f"From: {name}", "RFC 5322 section 3.4", make(author=line))
            for name, line in _SIGNED]
    made += [Mail(f"From: {name}", "RFC 5322 section 3.6.2",
                  make(author=line), signer="", why=why)
             for name, line, why in _NEVER]
    return made + _international() + _suffix() + _others()
