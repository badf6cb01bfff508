"""corpus_header: header fields other than From: folds, lengths, names, numbers
of them, octets that don't belong there, and signatures of others."""

from .corpus_mail import (COLON, CUT, DROPPED, ENDS, FROM, LINE_END, LOGIN,
                          NUL, OTHER, OWN, STRAY, Mail, head, lines, make)

# name, lines
_FOLDS = (
    ("blank", "Subject: one\r\n two"),
    ("tab", "Subject: one\r\n\ttwo"),
    ("many blanks", "Subject: one \t \r\n \t  two \t "),
    ("at every word", "Subject:\r\n one\r\n two\r\n three\r\n four"),
    ("inside words", "Subject: bro\r\n ken wo\r\n\trds"),
    ("inside an encoded word", "Subject: =?utf-8?q?Zo=C3\r\n =AB?= x"),
    ("between encoded words",
     "Subject: =?utf-8?q?Zo?=\r\n =?utf-8?q?=C3=AB?="),
    ("inside an address", "Cc: bob\r\n @\r\n b.\r\n\texample"),
    ("inside a quoted string", "Cc: \"Bob\r\n\t of B\" <bob@b.example>"),
    ("inside a comment", "Cc: bob@b.example (Bob\r\n of\r\n B)"),
    ("first line empty", "Subject:\r\n one"),
    ("first line a blank", "Subject: \r\n one"),
    ("first lines empty", "Subject:\r\n \r\n\t\r\n one"),
    ("line of blanks inside", "Subject: one\r\n \t \r\n two"),
    ("lines of blanks inside", "Subject: one\r\n \r\n\t\r\n   \r\n two"),
    ("line of blanks at the end", "Subject: one\r\n "),
    ("lines of blanks at the end", "Subject: one\r\n \r\n\t\r\n \t \t"),
    ("nothing but blanks", "Subject: \r\n \r\n\t"),
    ("2,000 lines", "Subject: " + "\r\n ".join(["x"] * 2000)),
    ("blank between folds kept", "Subject: a  \r\n  b\t\r\n\tc"),
    ("fold that looks like a field", "Subject: x\r\n From: x@b.example"),
    ("fold that looks like a signature",
     "Subject: x\r\n DKIM-Signature: v=1; b=;"),
    ("References", "References: " + "\r\n ".join(
        f"<{number}@x.example>" for number in range(300))),
    ("To of 400 mailboxes", "Cc: " + ",\r\n\t".join(
        f"\"R. {number}\" <r{number}@x.example>" for number in range(400))),
)

# name, line
_VALUES = (
    ("no blank after the colon", "Subject:x"),
    ("tab after the colon", "Subject:\tx"),
    ("blanks after the colon", "Subject: \t   x"),
    ("blanks at the end", "Subject: x \t  "),
    ("blanks in the middle", "Subject: a \t b      c"),
    ("empty", "Subject:"),
    ("a blank", "Subject: "),
    ("blanks", "Subject: \t \t "),
    ("colons", "Subject: :a:b::"),
    ("semicolons", "Subject: a;b=c; d=e;"),
    ("upper case name", "SUBJECT: x"),
    ("lower case name", "subject: x"),
    ("mixed case name", "sUbJeCt: x"),
    ("998 octets", "Subject: " + "x" * 989),
    ("2,000 octets", "Subject: " + "x" * 1991),
    ("blanks, 2,000 octets", "Subject: x" + " " * 1989 + "y"),
    ("50,000 octets", "Subject: " + "x" * 49_991),
    ("UTF-8", "Subject: caf\u00e9 \u20ac \u4f60\u597d"),
    ("Latin-1", b"Subject: caf\xe9"),
    ("all octets above 127", b"Subject: " + bytes(range(128, 256))),
    ("broken UTF-8", b"Subject: \xc3\xc3 \xe2\x82 \xff\xfe"),
    ("no-break blanks", "Subject: \u00a0x\u00a0 \u2003y\u3000"),
    ("next line of Unicode", "Subject: a\u0085b\u2028c\u2029d"),
    ("octet 0x85 alone", b"Subject: a \x85 b\xa0"),
    ("control characters", b"Subject: a" + bytes(
        one for one in range(1, 32) if one not in b"\t\n\v\f\r") + b"\x7fb"),
    ("escape sequence", "Subject: \x1b[31mred\x1b[0m"),
)


def _subjects() -> list:
    made = [Mail(f"fold: {name}", "RFC 5322 sections 3.2.2 and 4.2",
                 make(line, without=("Subject",)
                      if line.startswith("Subject") else ()),
                 covers=(line.partition(":")[0].lower(),))
            for name, line in _FOLDS]
    made += [Mail(f"value: {name}", "RFC 5322 section 2.2",
                  make(line, without=("Subject",)), covers=("subject",))
             for name, line in _VALUES]
    return made


def _long() -> list:
    """Lines and fields longer than Postfix keeps whole."""
    made = []
    for name, octets, is_cut in (
            ("59,000", 59_000, False), ("61,000", 61_000, True),
            ("100,000", 100_000, True), ("102,400", 102_400, True),
            ("200,000", 200_000, True)):
        made.append(Mail(
            f"long: line of {name} octets", "Postfix, header_size_limit",
            make("Subject: " + "x" * (octets - 9), without=("Subject",)),
            altered=CUT if is_cut else ""))
        made.append(Mail(
            f"long: words, {name} octets", "Postfix, header_size_limit",
            make("Subject: " + "word " * ((octets - 9) // 5),
                 without=("Subject",)), altered=CUT if is_cut else ""))
        made.append(Mail(
            f"long: folded field of {name} octets",
            "Postfix, header_size_limit",
            make("References: " + "\r\n ".join(
                ["<abcdefghijk@x.example>"] * (octets // 26))),
            altered=CUT if is_cut else ""))
    made.append(Mail(
        "long: field that isn't covered, 200,000 octets",
        "Postfix, header_size_limit", make("X-Long: " + "x " * 100_000),
        altered=CUT))
    made.append(Mail(
        "long: ten fields of 50,000 octets", "RFC 6376 section 3.7",
        make(*["Cc: " + "c" * 49_000] * 10)))
    made.append(Mail(
        "long: name of 900 octets", "RFC 5322 section 2.1.1",
        make("X" * 900 + ": x")))
    return made


def _many() -> list:
    return [
        Mail("many: 5,000 fields", "RFC 6376 section 5.4.2",
             make(*(f"X-Field-{number % 97}: value {number}"
                    for number in range(5000)))),
        Mail("many: 5,000 fields of one name", "RFC 6376 section 5.4.2",
             make(*(f"X-Same: {number}" for number in range(5000)))),
        Mail("many: 5,000 empty fields", "RFC 6376 section 5.4.2",
             make(*["X-Empty:"] * 5000)),
        Mail("many: 100 covered fields", "RFC 6376 section 5.4.2",
             make(*(f"Cc: {number}@x.example" for number in range(100))),
             covers=("cc",)),
        Mail("many: 1,500 covered fields", "RFC 6376 section 5.4.2",
             make(*(f"Cc: {number}@x.example" for number in range(1500)))),
        Mail("many: 40 Received", "RFC 5321 section 4.4",
             lines(*["Received: from a by b with SMTP id x;\r\n"
                     "\tTue, 06 Oct 2026 10:00:00 +0000"] * 40) + make()),
        Mail("many: 60 Received", "RFC 5321 section 6.3",
             lines(*["Received: from a by b; Tue, 06 Oct 2026 10:00:00 "
                     "+0000"] * 60) + make(), signer="",
             why="Postfix refuses it", refused="hopcount_limit"),
    ]


def _names() -> list:
    """Before the colon."""
    odd = "!#$%&'*+-./09=?@AZ[\\]^_`az{|}~<>(),\""
    made = [Mail(f"name: {name}", "RFC 5322 sections 2.2 and 4.5",
                 make(*fields), altered=altered)
            for name, fields, altered in (
                ("odd characters", [f"X{odd}: x"], ""),
                ("odd characters alone", [f"{one}: x" for one in odd], ""),
                ("one letter", ["X: x", "y:z"], ""),
                ("semicolon in it", ["X;Y: x"], ""),
                ("blank before the colon", ["X-Blank : x"], COLON),
                ("tab before the colon", ["X-Tab\t: x"], COLON),
                ("blanks before the colon", ["X-Blanks \t : x"], COLON),
                ("name of a tag", ["h: x", "b: x", "bh: x", "v: 1"], ""))]
    for name, line in (("Subject, blank before the colon", "Subject : x"),
                       ("Subject, tab before the colon", "Subject\t: x"),
                       ("Subject, blanks before the colon",
                        "Subject  \t : x")):
        made.append(Mail(f"name: {name}", "RFC 5322 section 4.5",
                         make(line, without=("Subject",)),
                         covers=("subject",), altered=COLON))
    made.append(Mail(
        "name: Subject twice, once with a blank", "RFC 5322 section 4.5",
        make("Subject : other"), altered=COLON))
    made.append(Mail(
        "name: every usual field, blank before the colon",
        "RFC 5322 section 4.5",
        make().replace(b": ", b" : ", 5), altered=COLON))
    made.append(Mail(
        "name: 8-bit in it", "RFC 5322 section 2.2",
        make("X-Zo\u00eb: x"), altered=ENDS))
    made.append(Mail(
        "name: none", "RFC 5322 section 2.2", make(": x"),
        altered=ENDS))
    return made


def _no_header() -> list:
    """Where the header ends otherwise than it seems."""
    mbox = "From alice@a.example Tue Oct  6 10:00:00 2026"
    return [
        Mail("end: line that is no field", "RFC 5322 section 2.1",
             make("this is no field", "X-After: x"), altered=ENDS),
        Mail("end: line that is no field before From",
             "RFC 5322 section 2.1", lines("this is no field") + make(),
             signer="", why="From is in the body", altered=ENDS),
        Mail("end: mbox line first", "mbox(5)", lines(mbox) + make(),
             altered="Postfix makes a field X-Mailbox-Line of it"),
        Mail("end: quoted mbox line first", "mbox(5)",
             lines(">" + mbox) + make(),
             altered="Postfix makes a field X-Mailbox-Line of it"),
        Mail("end: mbox line inside", "mbox(5)", make(mbox, "X-After: x"),
             altered=ENDS),
        Mail("end: blank first", "RFC 5322 section 2.1", b" " + make(),
             signer="", why="From is in the body",
             altered="Postfix ends the header before it"),
        Mail("end: no header", "RFC 5322 section 2.1",
             b"\r\n" + make(), signer="", why="From is in the body"),
        Mail("end: no header and no body", "RFC 5322 section 2.1", b"",
             signer="", why="From is missing",
             altered="SMTP can't say it"),
        Mail("end: no empty line", "RFC 5322 section 3.5", head()),
        Mail("end: From alone", "RFC 5322 section 3.6", lines(FROM)),
        Mail("end: blanks for the empty line", "RFC 5322 section 4.2",
             head() + b" \r\n\r\nHello.\r\n"),
        Mail("end: fields in the body", "RFC 5322 section 2.1",
             make(body=lines(f"From: bob@{OTHER}", "", "x"))),
    ]


def _missing() -> list:
    made = [Mail(f"missing: {name}", "RFC 5322 section 3.6",
                 make(without=(name,)))
            for name in ("Date", "Message-Id", "To", "Subject")]
    made.append(Mail("missing: all but From", "RFC 5322 section 3.6",
                     make(without=("Date", "Message-Id", "To", "Subject"))))
    return made


def _doubled() -> list:
    """Fields that may be there once, and are there more often."""
    made = [Mail(f"doubled: {line.partition(':')[0]}",
                 "RFC 6376 section 5.4.2", make(line, line + " too"))
            for line in (
                "Subject: other", "Date: Tue, 06 Oct 2026 11:00:00 +0000",
                "To: x@x.example", "Cc: x@x.example",
                "Message-Id: <other@x.example>", "Reply-To: x@x.example",
                "Sender: alice@a.example", "References: <a@x.example>",
                "In-Reply-To: <a@x.example>", "MIME-Version: 1.0",
                "Content-Type: text/plain",
                "Content-Transfer-Encoding: 7bit",
                "List-Unsubscribe: <https://x.example/u>",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click")]
    made.append(Mail("doubled: Subject in several cases",
                     "RFC 6376 section 5.4.2",
                     make("SUBJECT: a", "subject: b", "sUbJecT:c")))
    made.append(Mail("doubled: Subject, alike", "RFC 6376 section 5.4.2",
                     make(*["Subject: a test"] * 3)))
    return made


def _lists() -> list:
    pair = ("List-Unsubscribe: <https://x.example/u?a>,\r\n"
            " <mailto:u@x.example>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    names = ("list-unsubscribe", "list-unsubscribe-post")
    resent = ("Resent-Date: Tue, 06 Oct 2026 12:00:00 +0000",
              f"Resent-From: {LOGIN}", "Resent-To: x@x.example",
              "Resent-Message-Id: <r@a.example>",
              f"Resent-Sender: {LOGIN}")
    return [
        Mail("list: pair", "RFC 8058 section 4", make(*pair), covers=names),
        Mail("list: pair, other case", "RFC 8058 section 4",
             make(*(one.replace("List-U", "LIST-u", 1) for one in pair)),
             covers=names),
        Mail("list: pair, folded", "RFC 8058 section 4",
             make(*(one.replace(": ", ":\r\n ", 1) for one in pair)),
             covers=names),
        Mail("list: Unsubscribe alone", "RFC 2369", make(pair[0]),
             covers=names[:1]),
        Mail("list: Post alone", "RFC 8058 section 4", make(pair[1]),
             covers=names[1:]),
        Mail("list: all fields", "RFC 2369, RFC 2919", make(
            *pair, "List-Id: <l.x.example>", "List-Post: NO",
            "List-Help: <https://x.example>", "List-Owner: <mailto:o@x>",
            "List-Archive: <https://x.example/a>", "Precedence: bulk"),
             covers=names),
        Mail("resent: once", "RFC 5322 section 3.6.6", make(*resent)),
        Mail("resent: on top", "RFC 5322 section 3.6.6",
             lines(*resent) + make()),
        Mail("resent: twice", "RFC 5322 section 3.6.6",
             lines(*resent, *resent) + make()),
        Mail("sender: several authors", "RFC 5322 section 3.6.2",
             make(f"Sender: {LOGIN}",
                  author=f"From: {LOGIN}, bob@{OWN}")),
        Mail("dropped: Bcc", "RFC 5322 section 3.6.3",
             make("Bcc: hidden@x.example"), altered=DROPPED),
        Mail("dropped: Return-Path", "RFC 5321 section 4.4",
             make("Return-Path: <x@x.example>"), altered=DROPPED),
        Mail("dropped: Content-Length", "mbox(5)",
             make("Content-Length: 8"), altered=DROPPED),
        Mail("trace: Delivered-To and X-Original-To", "RFC 9228",
             lines("Delivered-To: x@x.example",
                   "X-Original-To: y@x.example") + make()),
        Mail("trace: results of others", "RFC 8601",
             lines("Authentication-Results: mx.x.example; dkim=pass",
                   "Received-SPF: pass", "Authentication-Results:",
                   "Authentication-Results: ;;; (((") + make()),
        Mail("fields: auto-generated", "RFC 3834",
             make("Auto-Submitted: auto-generated", "X-Mailer: x",
                  "Comments: c", "Keywords: a, b", "Organization: o")),
    ]


def _octets() -> list:
    """What isn't text."""
    made = [
        Mail("octets: NUL in Subject", "RFC 5322 section 4",
             make(b"Subject: a\0b", without=("Subject",)),
             altered=NUL),
        Mail("octets: NUL in a field that isn't covered",
             "RFC 5322 section 4", make(b"X-Nul: a\0b"),
             altered=NUL),
        Mail("octets: NUL in a name", "RFC 5322 section 4",
             make(b"X\0Nul: a"),
             altered=ENDS),
        Mail("octets: stray CR in Subject", "RFC 5322 section 4",
             make("Subject: a\rb", without=("Subject",)), altered=STRAY),
        Mail("octets: stray CRs at the line's end", "RFC 5322 section 4",
             make("Subject: a\r\r", "X-After: x", without=("Subject",)),
             altered=STRAY),
        Mail("octets: bare LF for line ends", "RFC 5321 section 2.3.8",
             make().replace(b"\r\n", b"\n") + b"\r\n",
             altered=LINE_END),
        Mail("octets: bare LF in the header", "RFC 5321 section 2.3.8",
             make("Subject: a\nX-After: b", without=("Subject",)),
             altered=LINE_END),
        Mail("octets: bare LF for a fold", "RFC 5321 section 2.3.8",
             make("Subject: a\n b\n\tc", without=("Subject",)),
             altered=LINE_END),
    ]
    for name, value in (
            ("vertical tab", "a\vb"), ("form feed", "a\fb"),
            ("vertical tab first", "\va"), ("form feed last", "a\f"),
            ("vertical tab and blanks", "a \v b")):
        made.append(Mail(
            f"octets: {name} in Subject", "RFC 6376 section 3.4.2",
            make(f"Subject: {value}", without=("Subject",))))
        made.append(Mail(
            f"octets: {name} in a field that isn't covered",
            "RFC 6376 section 3.4.2", make(f"X-Odd: {value}")))
    return made


def _signatures() -> list:
    """Signatures that are there already. Ours go on top."""
    other = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple;"
             f" d={OTHER}; s=rsa;\r\n\th=from:to:subject;"
             " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
             "\tb=AAAA\r\n\t BBBB=")
    made = []
    for name, fields in (
            ("another's", [other]),
            ("another's, ten times", [other] * 10),
            ("one's own domain's, broken",
             [other.replace(f"d={OTHER}", f"d={OWN}")]),
            ("one's own domain's, another selector",
             [other.replace(f"d={OTHER}; s=rsa", f"d={OWN}; s=old")]),
            ("empty", ["DKIM-Signature:"]),
            ("a blank", ["DKIM-Signature: "]),
            ("no tags", ["DKIM-Signature: hello"]),
            ("semicolons", ["DKIM-Signature: ;;;;"]),
            ("version 2", [other.replace("v=1", "v=2")]),
            ("no d=", [other.replace(f"d={OTHER}; ", "")]),
            ("two d=", [other.replace("d=", f"d={OWN}; d=", 1)]),
            ("unknown algorithm", [other.replace("rsa-sha256", "x-y")]),
            ("unknown tags", [other.replace("v=1;", "v=1; zz=1; y=;")]),
            ("no b=", [other.partition("\r\n\tb=")[0]]),
            ("h= without from", [other.replace("h=from:", "h=")]),
            ("huge", [other + "\r\n\tAAAA" * 3000]),
            ("folded at every sign", [
                "DKIM-Signature:\r\n v\r\n =\r\n 1\r\n ;\r\n d\r\n ="]),
            ("lower case name", [other.replace("DKIM-S", "dkim-s")]),
            ("UTF-8 in it", [other.replace(OTHER, "m\u00fcller.example")]),
            ("control characters in it",
             [other.replace("v=1", "v=1\x01\x02")]),
            ("DomainKeys", ["DomainKey-Signature: a=rsa-sha1; q=dns; "
                            "c=nofws;\r\n s=x; d=x.example; b=AAAA"]),
            ("ARC", ["ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.example; "
                     "s=x; b=AA", "ARC-Message-Signature: i=1; b=AA",
                     "ARC-Authentication-Results: i=1; x.example; "
                     "none"])):
        made.append(Mail(f"signature: {name}, on top",
                         "RFC 6376 section 5.4", lines(*fields) + make()))
    made.append(Mail("signature: another's below", "RFC 6376 section 5.4",
                     make(other, "X-After: x")))
    made.append(Mail("signature: two of different domains",
                     "RFC 6376 section 5.4",
                     lines(other, other.replace(OTHER, "c.example"))
                     + make(other)))
    made.append(Mail("signature: blank before the colon",
                     "RFC 6376 section 5.4",
                     lines(other.replace("ture:", "ture :")) + make(),
                     altered=COLON))
    return made


def mails() -> list:
    return (_subjects() + _long() + _many() + _names() + _no_header()
            + _missing() + _doubled() + _lists() + _octets()
            + _signatures())
