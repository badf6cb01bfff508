"""corpus_body: bodies, MIME, and how they are declared and handed over."""

import random

from .corpus_mail import LINE_END, LOGIN, STRAY, Mail, head, lines, make

MEGA = 1024 * 1024

# name, body
_PLAIN = (
    ("none", b""),
    ("one line end", b"\r\n"),
    ("two line ends", b"\r\n\r\n"),
    ("5,000 line ends", b"\r\n" * 5000),
    ("a blank", b" \r\n"),
    ("a tab", b"\t\r\n"),
    ("blanks alone on lines", b" \r\n\t\r\n \t \r\n"),
    ("blanks alone, then line ends", b" \r\n\r\n\r\n"),
    ("one octet", b"x\r\n"),
    ("trailing line ends", b"x\r\n\r\n\r\n\r\n"),
    ("trailing lines of blanks", b"x\r\n \r\n\t\r\n  \r\n\r\n"),
    ("trailing blanks", b"x \r\ny\t\r\nz \t \t\r\n"),
    ("leading blanks", b" x\r\n\ty\r\n   z\r\n"),
    ("runs of blanks", b"a  b\t\tc \t d" + b" " * 300 + b"e\r\n"),
    ("leading line ends", b"\r\n\r\n\r\nx\r\n"),
    ("line ends between", b"x\r\n\r\n\r\n\r\ny\r\n\r\nz\r\n"),
    ("blanks and line ends mixed", b" \r\n\r\n \t\r\nx\t \r\n\r\n \r\n"),
    ("dots at line starts", b".\r\n..\r\n...\r\n.x\r\n. \r\n..x\r\n"),
    ("dot alone, then more", b".\r\nQUIT\r\n.\r\nMAIL FROM:<x@x>\r\n"),
    ("dot last", b"x\r\n.\r\n"),
    ("line of 998 octets", b"x" * 998 + b"\r\n"),
    ("line of 999 octets", b"x" * 999 + b"\r\n"),
    ("line of 2,000 octets", b"x" * 2000 + b"\r\n"),
    ("line of 2,048 octets", b"x" * 2048 + b"\r\n" + b"y" * 2047 + b"\r\n"),
    ("line of 100,000 octets", b"x" * 100_000 + b"\r\n"),
    ("line of 100,000 octets, dots", b"." * 100_000 + b"\r\n"),
    ("line of words, 100,000 octets", b"word " * 20_000 + b"\r\n"),
    ("line of 5,000 blanks", b" " * 5000 + b"\r\nx\r\n"),
    ("line of 5,000 blanks and an octet", b" " * 5000 + b"x\r\n"),
    ("like a header", lines("From: bob@b.example", "Subject: x", "", "y")),
    ("like a signature", lines("DKIM-Signature: v=1; d=a.example", "x")),
    ("like an mbox", b"From x Tue Oct  6 10:00:00 2026\r\n>From y\r\n"),
    ("UTF-8", "Zo\u00eb, caf\u00e9 \u20ac \u4f60\u597d\r\n".encode()),
    ("Latin-1", b"Zo\xeb \xa0 \x85 \xff\r\n"),
    ("all octets above 127", bytes(range(128, 256)) + b"\r\n"),
    ("control characters", bytes(
        one for one in range(1, 32) if one not in b"\n\r") + b"\x7f\r\n"),
    ("vertical tabs and form feeds", b"a\v\f b \v\r\n\f\r\n\v\r\n"),
    ("NUL", b"a\0b\r\n\0\r\n\0\0\0 \0\r\n"),
    ("NUL alone", b"\0\r\n"),
    ("backspaces and escapes", b"\x08\x1b[2J\x1b]0;x\x07\r\n"),
    ("sizes around a milter packet", b"y" * 65_533 + b"\r\n"
     + b"z" * 65_535 + b"\r\n" + b" " * 5 + b"\r\n"),
)

# name, body, what Postfix does to it
_ENDS = (
    ("stray CR", b"a\rb\r\n", STRAY),
    ("stray CR alone", b"\r\r\n", STRAY),
    ("stray CRs before the line end", b"a\r\r\r\n\r\r\nb\r\n", STRAY),
    ("stray CR first", b"\ra\r\n", STRAY),
    ("stray CR and blanks", b"a \r \r\n \r \r\n", STRAY),
    ("stray CR and a dot", b"a\r.\r\nb\r\n\r.\r\n", STRAY),
    ("bare LF", b"a\nb\n\nc\r\n", LINE_END),
    ("bare LFs alone", b"\n\n\n\r\n", LINE_END),
    ("bare LF and blanks", b"a \n \n\tb \n\r\n", LINE_END),
    ("bare LF and a dot", b"a\n.\nb\r\n.\nc\n.\r\nd\r\n", LINE_END),
    ("LF before CR", b"a\n\rb\n\r\r\n", LINE_END),
)

_CRLF_AT = (1023, 1024, 2047, 2048, 4095, 4096, 8191, 8192, 65_534, 65_535,
            65_536)


def _bodies() -> list:
    made = [Mail(f"body: {name}", "RFC 6376 section 3.4", make(body=body))
            for name, body in _PLAIN]
    made += [Mail(f"body: {name}", "RFC 5321 section 2.3.8",
                  make(body=body), altered=altered)
             for name, body, altered in _ENDS]
    made += [Mail(f"body: line end at {at}", "RFC 6376 section 3.4",
                  make(body=b"x" * (at - 1) + b" \r\n\r\n \r\ny\r\n"))
             for at in _CRLF_AT]
    return made


def _large() -> list:
    line = b"0123456789 \xe4\xf6\xfc \t" * 6 + b"\r\n"
    return [
        Mail("large: 1 MB", "RFC 6376 section 3.4.4",
             make(body=line * (MEGA // len(line)))),
        Mail("large: 10 MB", "RFC 6376 section 3.4.4",
             make(body=line * (10 * MEGA // len(line))), is_heavy=True),
        Mail("large: 3 MB without a line end", "RFC 6376 section 3.4.4",
             make(body=b"word" * (3 * MEGA // 4) + b"\r\n"), is_heavy=True),
        Mail("large: 300,000 empty lines, then text",
             "RFC 6376 section 3.4.4",
             make(body=b"\r\n" * 300_000 + b"x\r\n"), is_heavy=True),
        Mail("large: 100,000 lines of blanks", "RFC 6376 section 3.4.4",
             make(body=b" \t\r\n" * 100_000), is_heavy=True),
    ]


def _chunked() -> list:
    """BDAT can say what DATA can't (RFC 3030)."""
    ending = "Postfix gives it a last line end"
    how = {"is_chunked": True, "section": "RFC 3030"}
    return [
        Mail("chunk: no last line end", octets=make(body=b"no end"),
             altered=ending, **how),
        Mail("chunk: one octet", octets=make(body=b"x"), altered=ending,
             **how),
        Mail("chunk: blanks for an end", octets=make(body=b"x\r\n \t "),
             altered=ending, **how),
        Mail("chunk: ends in CR", octets=make(body=b"x\r"), altered=ending,
             **how),
        Mail("chunk: dots that aren't doubled",
             octets=make(body=b".\r\n..\r\n.x\r\n"), **how),
        Mail("chunk: header without its last line end",
             octets=head().removesuffix(b"\r\n"), altered=ending, **how),
        Mail("chunk: empty line without its end", octets=head() + b"\r",
             altered=ending, **how),
        Mail("chunk: line ends alone", octets=make(body=b"\r\n\r\n"), **how),
    ]


def _parts(boundary: str, *parts, last: str = "--") -> bytes:
    made = b"".join(b"--" + boundary.encode() + b"\r\n" + one + b"\r\n"
                    for one in parts)
    return made + f"--{boundary}{last}\r\n".encode()


def _text(body: bytes, *fields) -> bytes:
    return lines(*(fields or ("Content-Type: text/plain",))) \
        + b"\r\n" + body


def _multipart(body: bytes, kind: str = "mixed",
               boundary: str = "\"b1\"") -> bytes:
    return make("MIME-Version: 1.0",
                f"Content-Type: multipart/{kind};\r\n boundary={boundary}",
                body=body)


def _mime() -> list:
    text = _text(b"Hello.\r\n")
    eight = _text("caf\u00e9\r\n".encode(),
                  "Content-Type: text/plain; charset=utf-8",
                  "Content-Transfer-Encoding: 8bit")
    binary = _text(b"AAECAwQ=\r\n", "Content-Type: application/x-y",
                   "Content-Transfer-Encoding: base64",
                   "Content-Disposition: attachment;\r\n"
                   " filename*=utf-8''%C3%A9")
    rfc822 = _text(make(), "Content-Type: message/rfc822")
    inner = _text(_parts("b2", text, binary),
                  "Content-Type: multipart/alternative; boundary=b2")
    nested = text
    for depth in range(20):
        nested = _text(_parts(f"n{depth}", nested), "Content-Type: "
                       f"multipart/mixed; boundary=n{depth}")
    made = [Mail(f"MIME: {name}", "RFC 2046", message)
            for name, message in (
                ("mixed", _multipart(_parts("b1", text, binary))),
                ("alternative in mixed",
                 _multipart(_parts("b1", inner, binary))),
                ("with 8-bit", _multipart(_parts("b1", text, eight))),
                ("message inside", _multipart(_parts("b1", text, rfc822))),
                ("20 deep", _multipart(_parts("b1", nested))),
                ("preamble and epilogue", _multipart(
                    b"before\r\n \r\n" + _parts("b1", text)
                    + b"after \t\r\n\r\n")),
                ("no last boundary", _multipart(
                    _parts("b1", text, last=""))),
                ("boundary that never comes", _multipart(b"x\r\n")),
                ("no boundary named", make(
                    "MIME-Version: 1.0", "Content-Type: multipart/mixed",
                    body=_parts("b1", text))),
                ("boundary with odd signs", _multipart(
                    _parts("'()+_,-./:=? x", text),
                    boundary="\"'()+_,-./:=? x\"")),
                ("boundary folded", make(
                    "MIME-Version:\r\n 1.0\r\n (really)",
                    "Content-Type:\r\n\tmultipart/mixed\r\n\t;\r\n\t"
                    "boundary\r\n\t=\r\n\t\"b1\"\r\n\t(x)",
                    body=_parts("b1", text))),
                ("digest", _multipart(
                    _parts("b1", lines() + b"\r\n" + make()), "digest")),
                ("broken header in a part", _multipart(
                    _parts("b1", b"no field\r\n\r\nx\r\n", b"x", b""))),
                ("long header in a part", _multipart(
                    _parts("b1", _text(b"x\r\n", "X-Long: "
                                       + "y" * 20_000)))),
                ("signed mail inside", make(
                    "MIME-Version: 1.0",
                    "Content-Type: multipart/signed; micalg=pgp-sha256;\r\n"
                    " protocol=\"application/pgp-signature\";\r\n"
                    " boundary=b1", body=_parts("b1", text, binary))),
                ("report", _multipart(
                    _parts("b1", text, _text(
                        lines("Reporting-MTA: dns; x.example", "",
                              "Final-Recipient: rfc822; x@x.example"),
                        "Content-Type: message/delivery-status")),
                    "report; report-type=delivery-status")))]
    made += [Mail(f"encoding: {name}", "RFC 2045 section 6",
                  make("MIME-Version: 1.0", "Content-Type: text/plain",
                       *fields, body=body))
             for name, fields, body in (
                 ("7bit", ["Content-Transfer-Encoding: 7bit"], b"x\r\n"),
                 ("7bit, but isn't", ["Content-Transfer-Encoding: 7bit"],
                  b"\xe9\r\n"),
                 ("8bit", ["Content-Transfer-Encoding: 8bit"], b"\xe9\r\n"),
                 ("8bit, but is 7bit", ["Content-Transfer-Encoding: 8bit"],
                  b"e\r\n"),
                 ("binary", ["Content-Transfer-Encoding: binary"],
                  b"\xe9\r\n"),
                 ("quoted-printable",
                  ["Content-Transfer-Encoding: quoted-printable"],
                  b"=E9 =20=\r\n \t=\r\n=3D\r\n"),
                 ("quoted-printable with 8-bit",
                  ["Content-Transfer-Encoding: quoted-printable"],
                  b"\xe9=E9\r\n"),
                 ("base64", ["Content-Transfer-Encoding: base64"],
                  b"SGVsbG8u\r\n"),
                 ("base64 that is none",
                  ["Content-Transfer-Encoding: base64"], b"!? \xe9\r\n"),
                 ("unknown", ["Content-Transfer-Encoding: x-odd"],
                  b"x\r\n"),
                 ("unknown with 8-bit",
                  ["Content-Transfer-Encoding: x-odd"], b"\xe9\r\n"),
                 ("empty", ["Content-Transfer-Encoding:"], b"\xe9\r\n"),
                 ("upper case, folded, with comment",
                  ["CONTENT-TRANSFER-ENCODING:\r\n 8BIT\r\n (x)"],
                  b"\xe9\r\n"),
                 ("twice", ["Content-Transfer-Encoding: 7bit",
                            "Content-Transfer-Encoding: 8bit"],
                  b"\xe9\r\n"),
                 ("none, with 8-bit", [], b"\xe9\r\n"))]
    return made


def _handed_over() -> list:
    """How it is declared, and to whom it goes."""
    eight = make("MIME-Version: 1.0",
                 "Content-Type: text/plain; charset=utf-8",
                 "Content-Transfer-Encoding: 8bit",
                 body="caf\u00e9\r\n".encode())
    many = tuple(f"r{number}@out.example" for number in range(150))
    long = tuple(f"{letter * 64}@{letter * 60}.example" for letter in "abc")
    everybody = ",\r\n ".join(many)
    return [
        Mail("declared: 8-bit, nothing said", "RFC 6152", eight),
        Mail("declared: 8-bit, BODY=8BITMIME", "RFC 6152", eight,
             params="BODY=8BITMIME"),
        Mail("declared: 8-bit, BODY=7BIT", "RFC 6152", eight,
             params="BODY=7BIT"),
        Mail("declared: 7-bit, BODY=8BITMIME", "RFC 6152", make(),
             params="BODY=8BITMIME"),
        Mail("declared: 8-bit in the header alone", "RFC 6152",
             make("Subject: caf\u00e9", without=("Subject",))),
        Mail("declared: 8-bit without MIME", "RFC 6152",
             make(body=b"\xe9\r\n"), params="BODY=8BITMIME"),
        Mail("declared: SIZE and RET", "RFC 3461",
             make(), params="SIZE=1000 RET=HDRS ENVID=x+3Dy"),
        Mail("recipients: 150", "RFC 5321 section 4.5.3.1.8",
             make(f"Cc: {everybody}"), rcpts=many),
        Mail("recipients: long addresses", "RFC 5321 section 4.5.3.1",
             make(f"Cc: {', '.join(long)}"), rcpts=long),
        Mail("recipients: quoted", "RFC 5321 section 4.1.2",
             make("Cc: \"a b\"@out.example"),
             rcpts=("\"a b\"@out.example", "\"x>y\"@out.example")),
        Mail("recipients: undisclosed", "RFC 5322 section 3.4",
             make("To: undisclosed-recipients:;", without=("To",))),
        Mail("recipients: oneself", "RFC 5321 section 4.1.1.3",
             make(f"Cc: {LOGIN}")),
    ]


def _octet_soup() -> list:
    """Looks binary, is a body all the same."""
    chance = random.Random(8301)
    made = []
    for number in range(4):
        soup = bytes(chance.choices(
            [one for one in range(256) if one not in b"\r\n"], k=6000))
        cut = [soup[at:at + 500] for at in range(0, len(soup), 500)]
        made.append(Mail(f"soup: {number}", "RFC 6376 section 3.4",
                         make(body=b"\r\n".join(cut) + b"\r\n"),
                         params="BODY=8BITMIME"))
    return made


def mails() -> list:
    return (_bodies() + _large() + _chunked() + _mime() + _handed_over()
            + _octet_soup())
