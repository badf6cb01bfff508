#!/usr/bin/python3
"""The house checks: what no compiler sees. Run as

    /usr/bin/python3 tests/house/check.py [--srcdir DIR] [NAME...]

Tree holds the checks of the source tree; Rules feeds each rule something bad,
for a check that can't fail is none."""

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import rules  # noqa: E402

__unittest = True  # our own frames say nothing: leave them out

SRCDIR = os.path.dirname(os.path.dirname(HERE))

# The names of options that the product has promised, section by section; an
# option appears when what it does is there, under no other name.
PROMISED = {
    "": """listen socket_mode socket_group control user mode relay_networks
        trusted_networks identity_header reinject_networks egress max_busy
        include_dir""",
    "log": "target format level",
    "dns": "servers timeout trust_anchor",
    "store": """backend path url password_file prefix timeout on_failure
        local_share""",
    "sign": """keys key_table signing_table canonicalization headers oversign
        fallback_domain also_sign expire engine on_missing_key on_key_error""",
    "senders": """owners map default_domain recipient_delimiter check
        on_mismatch on_bad_from""",
    "preflight": """profiles on_fail_reject on_fail_quarantine on_fail_none
        on_no_policy on_temperror on_permerror check_published_key""",
    "accounts": "identify networks map case_sensitive default_plan",
    "limit": "key count max per action warn mode",
    "plan": "limits",
    "class": """sign preflight limits max_recipients mode trust_envelope
        hold_max""",
    "listener": "class require_auth require_tls",
    "http": "listen",
    "local_mailers": "",
}
PROMISED[""] += " local_mailers"

# Options added to those, and why.
ADDITIONS = {
    "accounts.map_ttl": "how stale a map's answer may be is the provider's say",
    "store.size": "the embedded store needs a bound that can be set",
    "limit.reply": "each limit can have its own words for the client",
    ".egress_map": "one relay may send different customers' mail from "
        "different addresses",
    ".authserv_id": "which Authentication-Results are ours is only known by "
        "name",
    "dns.cache_size": "what customers' DNS may take of memory needs a bound "
        "that can be set",
    ".key_cache": "what parsed keys take of memory needs a bound that can be "
        "set",
    "sign.key_map": "one truth for the keys of many relays",
    "sign.multiple_signatures": "OpenDKIM signs with the first match alone by "
        "default, and who comes from it may rely on that",
    "sign.self_check": "both engines and the published key are compared in "
        "production, as often as one likes",
    **{f"domain.{name}": "a domain may need rules of its own, without "
        "touching the others"
        for name in ("canonicalization", "headers", "oversign", "expire")},
    **{f"rotate.{name}": "how a new key comes into the DNS, and how long the "
        "old one stays, is the provider's say"
        for name in ("retire_after", "publish", "nsupdate_key",
                     "nsupdate_server", "hook")},
}

# Files and functions that may be longer, and why.
LONGER = {
    "conf/options.c": "one table: each option is a row of it",
    "tests/unit/test_address.c": "one table of addresses, good and bad",
    "tests/unit/test_from_field.c": "one table of From fields",
}

C_PLACES = ("policy", "conf", "milter", "tests")


@functools.lru_cache(maxsize=None)
def read(path):
    """The text of a file of the tree, or None."""
    try:
        with open(os.path.join(SRCDIR, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def files(*places, endings=(".c", ".h")):
    """Paths below places, from the top of the tree, in order."""
    found = []
    for place in places:
        for folder, _, names in os.walk(os.path.join(SRCDIR, place)):
            for name in names:
                if name.endswith(endings) and not name.startswith("."):
                    found.append(os.path.relpath(
                        os.path.join(folder, name), SRCDIR))
    return sorted(found)


def rows():
    return rules.option_rows(read("conf/options.c") or "")


class Tree(unittest.TestCase):
    """The tree itself."""

    def expect_none(self, problems):
        if problems:
            self.fail("\n  " + "\n  ".join(problems))

    def expect_files(self, *paths):
        missing = [path for path in paths if read(path) is None]
        self.expect_none([f"{path}: it isn't there" for path in missing])

    def each(self, rule, paths):
        self.assertTrue(paths, "no files to check")
        self.expect_none([problem for path in paths
            for problem in rule(path, read(path))])

    def test_direction_of_includes(self):
        self.each(rules.check_direction, files("policy", "conf", "milter"))

    def test_only_two_rooms_know_libmilter(self):
        self.each(rules.check_libmilter, files("policy", "conf", "milter"))

    def test_no_banned_functions(self):
        self.each(rules.check_banned, files(*C_PLACES))

    def test_policy_only_thinks(self):
        self.each(rules.check_pure, files("policy"))

    def test_sizes(self):
        self.each(lambda path, text: rules.check_sizes(path, text, LONGER),
            files(*C_PLACES) + files("tests", endings=(".py",)))

    def test_every_prototype_is_explained(self):
        self.each(rules.check_prototypes,
            files("policy", "conf", "milter", endings=(".h",)))

    def test_headers_begin_with_comment_and_guard(self):
        self.each(rules.check_guard, files(*C_PLACES, endings=(".h",)))

    def test_option_table_can_be_read(self):
        self.expect_none(rules.check_row_count(rows()))

    def test_option_names_are_promised_ones(self):
        promised = {section: names.split()
            for section, names in PROMISED.items()}
        self.expect_none(rules.check_fixed_names(rows(), promised, ADDITIONS))

    def test_sample_has_every_option(self):
        path = "conf/postern.conf.example"
        self.expect_files(path)
        self.expect_none(rules.check_sample(path, read(path), rows()))

    def test_manual_has_every_option(self):
        path = "packaging/man/postern.conf.5"
        self.expect_files(path)
        self.expect_none(rules.check_option_manual(path, read(path), rows()))

    def check_manual(self, what, names, heading):
        path = "packaging/man/postern.8"
        self.expect_files(path)
        self.assertTrue(names, f"no {what} found in the code")
        self.expect_none(rules.check_documented(path, what, names,
            rules.mdoc_items(read(path)), heading))

    def test_manual_has_every_reason(self):
        self.expect_files("policy/verdict.c")
        self.check_manual("reason", set(rules.reasons(
            read("policy/verdict.c"))) - {"none"}, "Reasons")

    def test_manual_has_every_log_key(self):
        self.expect_files("milter/report.c")
        self.check_manual("log key",
            rules.line_keys(read("milter/report.c")), "The line of a message")

    def test_manual_has_every_event(self):
        names = {name for path in files("milter", endings=(".c",))
            for name in rules.events(read(path))}
        self.check_manual("event", names - {"message"}, "Other lines")

    def test_readme_table(self):
        self.expect_files("README")
        self.expect_none(rules.check_readme_table(read("README"), read))

    def test_manuals_lint(self):
        if shutil.which("mandoc") is None:
            self.skipTest("mandoc isn't installed")
        for path in files("packaging/man", endings=(".5", ".8")):
            with self.subTest(path=path):
                result = subprocess.run(
                    ["mandoc", "-T", "lint", "-W", "warning",
                        os.path.join(SRCDIR, path)],
                    capture_output=True, text=True, check=False)
                self.expect_none((result.stdout + result.stderr).splitlines())

    def test_every_test_is_run(self):
        self.expect_files("Makefile.am")
        self.expect_none(rules.check_listed(read("Makefile.am"),
            [path for path in files("tests/unit", "tests/contract",
                endings=(".c",)) if "/test_" in path]))


TABLE = """
static const struct option options[] = {
	{ .section = "", .name = "mode", .type = OPTION_WORD,
	    .standard = "enforce", .meaning = "a" },
	{ .section = "log", .name = "target", .standard = "syslog",
	    /* .name = "not this" */ .meaning = "b" },
	{ .section = "class local", .name = "hold_max", .standard = "1000",
	    .meaning = "c" },
	{ .section = "limit", .name = "max", .standard = NULL,
	    .meaning = "d" },
	{ .section = "senders", .name = "check",
	    .standard = "{ envelope, from }", .meaning = "e" },
	{ .section = "senders", .name = "map", .standard = "\\"\\"",
	    .meaning = "f" },
};
"""

SAMPLE = """
mode = enforce   # mode of = nothing
log {
    target = syslog
}
senders {
    check = { envelope, from }
    #map = "texthash:a b=c"
}
limit "hourly" { max = 500 }
class local { hold_max = 1000  check = { from } }
"""

MANUAL = """.Sh TOP LEVEL
.Bl -tag
.It Cm mode Ic = enforce
Default.
.El
.Ss Section Ic log
.Bl -tag
.It Cm target
The default is
.Cm syslog .
.El
.Ss class local
.Bl -tag
.It Cm hold_max
1000 by default.
.El
.Ss limit
.Bl -tag
.It Cm max
It must be given.
.El
.Ss senders
.Bl -tag
.It Cm check
Default:
.Ql { envelope, from } .
.It Cm map
Empty by default.
.El
"""

LINES = "\n" * (rules.LINES_MOST + 1)
LONG = "int\nlong_one(void)\n{\n" + "\tx();\n" * rules.FUNCTION_MOST + "}\n"
GOOD_HEADER = "/* a: b */\n#ifndef POLICY_A_H\n#define POLICY_A_H\n#endif\n"


def no_long_files(path, text):
    return rules.check_sizes(path, text, {"conf/a.c": "why"})


def sample(_, text):
    return rules.check_sample("sample", text, rules.option_rows(TABLE))


def manual(_, text):
    return rules.check_option_manual("manual", text, rules.option_rows(TABLE))


def documented(_, text):
    return rules.check_documented("manual", "reason", {"limit", "busy"},
        rules.mdoc_items(text), "Reasons")


def readme(_, text):
    sources = {"milter/judge.c": "int\njudge_mail(void)\n{\n}\n"}
    return rules.check_readme_table(text, sources.get)


def listed(_, text):
    return rules.check_listed(text, ["tests/unit/test_a.c"])


def fixed(_, text):
    return rules.check_fixed_names(rules.option_rows(text),
        {"": ["mode"], "log": ["target"], "class": ["hold_max"],
            "limit": ["max"], "senders": ["check", "map"]}, {"log.size": ""})


ROW = "| MAIL | `judge_mail()` | milter/judge.c |\n"

# rule, path, text, and whether it is to complain.
CASES = [
    (rules.check_direction, "policy/a.c", '#include "policy/b.h"\n', False),
    (rules.check_direction, "policy/a.c", '#include "conf/conf.h"\n', True),
    (rules.check_direction, "conf/a.c", '#include "policy/b.h"\n', False),
    (rules.check_direction, "conf/a.c", '#  include "milter/io/a.h"\n', True),
    (rules.check_direction, "milter/io/a.c", '#include "conf/a.h"\n', False),
    (rules.check_direction, "milter/io/a.c", '#include "milter/a.h"\n', True),
    (rules.check_direction, "milter/a.c", '#include "milter/io/a.h"\n', False),
    (rules.check_direction, "milter/a.c", '#include "milter/ctl/a.h"\n', True),
    (rules.check_direction, "milter/ctl/a.c", '#include "milter/a.h"\n',
        False),
    (rules.check_direction, "policy/a.c", '#include "b.h"\n', True),
    (rules.check_direction, "policy/a.c", '#include "../conf/b.h"\n', True),
    (rules.check_direction, "policy/a.c", '/* #include "conf/b.h" */\n',
        False),
    (rules.check_libmilter, "milter/main.c",
        "#include <libmilter/mfapi.h>\n", True),
    (rules.check_libmilter, "milter/callbacks.c",
        "#include <libmilter/mfapi.h>\n", False),
    (rules.check_libmilter, "milter/judge.c", "x = smfi_stop();", True),
    (rules.check_libmilter, "milter/judge.c", "/* smfi_stop() */", False),
    (rules.check_libmilter, "milter/ctl/a.c",
        '#include "milter/actions.h"\n', True),
    (rules.check_banned, "conf/a.c", "strcpy(a, b);", True),
    (rules.check_banned, "conf/a.c", "x = atoi (a);", True),
    (rules.check_banned, "conf/a.c", "signal(SIGHUP, f);", True),
    (rules.check_banned, "conf/a.c", "static _Thread_local int a;", True),
    (rules.check_banned, "conf/a.c", "strtok(a, b);", True),
    (rules.check_banned, "conf/a.c", "strtok_r(a, b, &c); snprintf(a);",
        False),
    (rules.check_banned, "conf/a.c", '// strcpy(a)\n"strcpy(a)"', False),
    (rules.check_pure, "policy/a.c", "now = time(NULL);", True),
    (rules.check_pure, "policy/a.c", "fprintf(f, a);", True),
    (rules.check_pure, "policy/a.c", "pthread_mutex_t lock;", True),
    (rules.check_pure, "policy/a.c", "#include <fcntl.h>\n", True),
    (rules.check_pure, "policy/a.c", "snprintf(a, b); x->open(y);", False),
    (rules.check_pure, "policy/a.c", "static int\nread(int a)\n{\n\tread(a);"
        "\n}\n", False),
    (rules.check_pure, "milter/io/a.c", "now = time(NULL);", False),
    (no_long_files, "policy/a.c", LINES, True),
    (no_long_files, "conf/a.c", LINES, False),
    (no_long_files, "policy/a.c", LONG, True),
    (no_long_files, "policy/a.c", LONG.replace("\tx();\n", "", 3), False),
    (rules.check_guard, "policy/a.h", GOOD_HEADER, False),
    (rules.check_guard, "policy/b.h", GOOD_HEADER, True),
    (rules.check_guard, "policy/a.h", GOOD_HEADER[11:], True),
    (rules.check_guard, "policy/a.h", GOOD_HEADER + "int a;\n", True),
    (rules.check_prototypes, "policy/a.h", "/* Says. */\nint a(int b);\n",
        False),
    (rules.check_prototypes, "policy/a.h", "/* Says. */\n\nint a(int b);\n",
        True),
    (rules.check_prototypes, "policy/a.h", "const char *\na(int b);\n", True),
    (rules.check_prototypes, "policy/a.h",
        "/* Says. */\n" + "void a(int b, void (*c)(void));\n" * 3, False),
    (rules.check_prototypes, "policy/a.h",
        "/* Says. */\n" + "void a(int b);\n" * 4, True),
    (rules.check_prototypes, "policy/a.h",
        "/* Says. */\nvoid a(void);\n\nvoid b(void);\n", True),
    (rules.check_prototypes, "policy/a.h",
        "/* Says. */\nstruct a {\n\tint (*b)(void); /* c */\n};\n", False),
    (rules.check_prototypes, "policy/a.h",
        "/* Of a. */\nstruct a {\n\tint b;\n};\nvoid c(void);\n", True),
    (fixed, "", TABLE, False),
    (fixed, "", TABLE.replace('"map"', '"maps"'), True),
    (fixed, "", TABLE.replace('"target"', '"size"'), False),
    (sample, "", SAMPLE, False),
    (sample, "", SAMPLE.replace("mode =", "mood ="), True),
    (sample, "", SAMPLE.replace("target = syslog", ""), True),
    (sample, "", SAMPLE.replace("class local", "class relay"), True),
    (sample, "", SAMPLE.replace("#map =", "# map ="), True),
    (sample, "", SAMPLE.replace("{ max = 500 }", "{ max = 500 target = a }"),
        True),
    (manual, "", MANUAL, False),
    (manual, "", MANUAL.replace("Cm hold_max", "Cm hold_min"), True),
    (manual, "", MANUAL.replace("1000 by", "100 by"), True),
    (manual, "", MANUAL.replace("Empty by", "Full by"), True),
    (manual, "", MANUAL.replace("must be", "may be"), True),
    (manual, "", MANUAL.replace(".Ss limit", ".Ss log"), True),
    (documented, "", ".Ss Reasons\n.It Cm limit\n.It Cm busy\n", False),
    (documented, "", ".Ss Reasons\n.It Cm limit\n", True),
    (documented, "", ".Ss Reasons\n.It Cm limit\n.It Cm busy\n.It Cm no\n",
        True),
    (documented, "", ".Ss Others\n.It Cm limit\n.It Cm busy\n", True),
    (readme, "", ROW * 8 + "See milter/judge.c\n", False),
    (readme, "", ROW.replace("|", "").replace("`", "") * 8, False),
    (readme, "", ROW * 7, True),
    (readme, "", ROW * 8 + ROW.replace("_mail", "_rcpt"), True),
    (readme, "", ROW * 8 + ROW.replace("judge.c", "judges.c"), True),
    (listed, "", "x_SOURCES = tests/unit/test_a.c\n", False),
    (listed, "", "check_PROGRAMS = tests/unit/test_a \\\n", False),
    (listed, "", "x_SOURCES = tests/unit/test_a.cc\n", True),
    (listed, "", "# tests/unit/test_a.c\n", True),
]


class Rules(unittest.TestCase):
    """The rules, fed with good and bad."""

    def test_cases(self):
        for number, (rule, path, text, is_bad) in enumerate(CASES):
            with self.subTest(case=number, rule=rule.__name__,
                    text=text.strip()[:60]):
                problems = rule(path, text)
                self.assertEqual(bool(problems), is_bad,
                    "wanted a complaint" if is_bad else problems)

    def test_every_rule_has_a_bad_case(self):
        checked = {name for name in vars(rules) if name.startswith("check_")}
        with open(os.path.abspath(__file__), encoding="utf-8") as file:
            mine = file.read()
        cases = mine[mine.index("\ndef no_long_files"):]
        self.assertEqual([name for name in sorted(checked)
            if not re.search(rf"rules\.{name}\b", cases)], [])

    def test_row_count(self):
        few = rules.option_rows(TABLE)
        self.assertEqual(len(few), 6)
        self.assertTrue(rules.check_row_count(few))
        self.assertFalse(rules.check_row_count(dict.fromkeys(range(40))))

    def test_option_rows(self):
        self.assertEqual(rules.option_rows(TABLE), {
            ("", "mode"): "enforce", ("log", "target"): "syslog",
            ("class local", "hold_max"): "1000", ("limit", "max"): None,
            ("senders", "check"): "{ envelope, from }",
            ("senders", "map"): '""'})

    def test_sample_options(self):
        self.assertEqual(list(rules.sample_options(SAMPLE)), [
            ("", None, "mode", 2), ("log", None, "target", 4),
            ("senders", None, "check", 7), ("senders", None, "map", 8),
            ("limit", "hourly", "max", 10), ("class", "local", "hold_max", 11),
            ("class", "local", "check", 11)])

    def test_functions(self):
        self.assertEqual(rules.functions("int a(int b);\nint\nc(int d)\n{\n"
            '\tx("}");\n}\n\nint\ne(void);\n'), [("c", 3, 6)])

    def test_words_of_the_log(self):
        self.assertEqual(rules.events('log_event(s->log, a(b, c),\n'
            '    is_up ? "up" : "away", "%s", "words");\n'
            'log_event(log, A, event, "words");\n'
            'log_line_text(line, "event", "lost");\n'),
            ["up", "away", "lost"])
        self.assertEqual(rules.line_keys('log_line_text(\n    line, "id", a);'
            '\nlog_line_number(line, "us", b);'), ["id", "us"])
        self.assertEqual(rules.reasons('[REASON_BUSY] = "busy",'), ["busy"])


def main():
    global SRCDIR
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--srcdir", default=SRCDIR)
    parser.add_argument("rest", nargs="*")
    arguments = parser.parse_args()
    SRCDIR = os.path.abspath(arguments.srcdir)
    unittest.main(argv=[sys.argv[0]] + arguments.rest)


if __name__ == "__main__":
    main()
