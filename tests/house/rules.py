"""The rules of the house: each takes text and gives back a list of problems,
a line each ("FILE:LINE: words"). check.py applies them to the tree, and feeds
each one something bad to see that it can fail."""

import re

LINES_MOST = 700
FUNCTION_MOST = 80
SIBLINGS_MOST = 3
OPTIONS_LEAST = 40
ROWS_LEAST = 8  # of README's table: an event each

# Who may include what: the directory of a file, and of what it includes.
DIRECTIONS = {
    "policy": {"policy"},
    "conf": {"conf", "policy"},
    "milter/io": {"milter/io", "conf", "policy"},
    "milter": {"milter", "milter/io", "conf", "policy"},
    "milter/ctl": {"milter/ctl", "milter", "milter/io", "conf", "policy"},
}

# The two rooms that know libmilter; posternctl has no MTA to talk to.
KNOW_LIBMILTER = {"milter/callbacks", "milter/actions"}

BANNED = {
    "strcpy": "struct text",
    "strncpy": "struct text",
    "strcat": "struct text",
    "strncat": "struct text",
    "sprintf": "snprintf or text_addf",
    "vsprintf": "vsnprintf or text_addf",
    "strtok": "strcspn, or a loop",
    "atoi": "text_number",
    "atol": "text_number",
    "atoll": "text_number",
    "alloca": "an arena",
    "gets": "fgets",
    "signal": "sigaction",
    "rand": "getrandom",
    "srand": "getrandom",
}
BANNED_WORDS = {"thread_local", "_Thread_local", "__thread"}

# What policy/ may not do: ask the world, keep the time, wait or speak.
OUTSIDE_CALLS = """time clock clock_gettime gettimeofday nanosleep sleep usleep
    open openat creat fopen fdopen freopen popen opendir stat lstat fstat access
    unlink rename mkdir read pread write pwrite socket connect bind listen
    send sendto sendmsg recv recvfrom recvmsg poll select epoll_wait
    getaddrinfo getnameinfo gethostbyname getenv setenv printf fprintf vprintf
    vfprintf puts putchar fputs fputc fwrite fread perror syslog fork execve
    system getpid getuid geteuid getrandom kill sigaction""".split()
OUTSIDE_WORDS = re.compile(r"\b(pthread_\w+|stdout|stderr|stdin|errno)\b")
OUTSIDE_HEADERS = {"fcntl.h", "unistd.h", "pthread.h", "syslog.h", "netdb.h",
    "poll.h", "time.h", "sys/time.h", "sys/stat.h", "signal.h", "dirent.h",
    "stdatomic.h", "threads.h", "errno.h"}

LEXEMES = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.VERBOSE | re.DOTALL)


def blank(text):
    """As many lines, nothing on them."""
    return re.sub(r"[^\n]", " ", text)


def code(text, keep_strings=False):
    """C without comments, and without what is in strings; same lines."""
    def replace(match):
        if match.group("comment") is not None or not keep_strings:
            return blank(match.group())
        return match.group()
    return LEXEMES.sub(replace, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def directory(path):
    return path.rpartition("/")[0]


def stem(path):
    return path.rpartition(".")[0]


# ---- what includes what ----

def includes(text):
    """(line, name, is_quoted) of each #include."""
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]',
            code(text, keep_strings=True), re.MULTILINE):
        yield line_of(text, match.start()), match[2], match[1] == '"'


def check_direction(path, text):
    allowed = DIRECTIONS.get(directory(path))
    problems = []
    if allowed is None:
        return problems
    for line, name, is_quoted in includes(text):
        if not is_quoted or name == "config.h":
            continue
        if "/" not in name:
            problems.append(f'{path}:{line}: "{name}": write the path from '
                "the top of the tree")
        elif directory(name) not in allowed:
            problems.append(f"{path}:{line}: {directory(path)}/ may not "
                f"include {name}")
    return problems


def check_libmilter(path, text):
    if stem(path) in KNOW_LIBMILTER or path.startswith("tests/"):
        return []
    problems = []
    for line, name, is_quoted in includes(text):
        if name.startswith("libmilter/"):
            problems.append(f"{path}:{line}: only milter/callbacks and "
                f"milter/actions know libmilter, not <{name}>")
        elif (is_quoted and stem(name) in KNOW_LIBMILTER
                and path.startswith("milter/ctl/")):
            problems.append(f"{path}:{line}: posternctl has no MTA: {name}")
    bare = code(text)
    for match in re.finditer(r"\bsmfi_\w+\s*\(", bare):
        problems.append(f"{path}:{line_of(bare, match.start())}: "
            f"{match.group()}) belongs into milter/callbacks or "
            "milter/actions")
    return problems


# ---- what isn't used ----

def check_banned(path, text):
    bare = code(text)
    problems = []
    for match in re.finditer(r"\b([A-Za-z_]\w*)\b(\s*\()?", bare):
        word = match[1]
        if word in BANNED_WORDS:
            problems.append(f"{path}:{line_of(bare, match.start())}: {word}: "
                "callbacks of one connection run on changing threads")
        elif word in BANNED and match[2] is not None:
            problems.append(f"{path}:{line_of(bare, match.start())}: {word}() "
                f"isn't used here; take {BANNED[word]}")
    return problems


def check_pure(path, text):
    """policy/ thinks: same input, same answer."""
    if not path.startswith("policy/"):
        return []
    problems = []
    for line, name, _ in includes(text):
        if name in OUTSIDE_HEADERS:
            problems.append(f"{path}:{line}: policy/ needs no <{name}>")
    bare = code(text)
    own = {name for name, _, _ in functions(text)}
    for match in re.finditer(r"(?<![\w.>])(\w+)\s*\(", bare):
        if match[1] in OUTSIDE_CALLS and match[1] not in own:
            problems.append(f"{path}:{line_of(bare, match.start())}: "
                f"{match[1]}() in policy/: ask in milter/io/, think here")
    for match in OUTSIDE_WORDS.finditer(bare):
        problems.append(f"{path}:{line_of(bare, match.start())}: "
            f"{match[1]} in policy/")
    return problems


# ---- sizes ----

def functions(text):
    """(name, first line, last line) of each function defined. House style
    puts the name at the beginning of a line and braces on lines of their
    own."""
    bare = code(text)
    found = []
    for match in re.finditer(r"^([A-Za-z_]\w*)\(", bare, re.MULTILINE):
        opening = re.compile(r"^\{|;", re.MULTILINE).search(bare, match.end())
        if opening is None or opening.group() == ";":
            continue
        closing = re.compile(r"^\}", re.MULTILINE).search(bare, opening.end())
        if closing is not None:
            found.append((match[1], line_of(bare, match.start()),
                line_of(bare, closing.start())))
    return found


def check_sizes(path, text, allowed):
    """allowed: path or path:function → why it may be longer."""
    problems = []
    lines = text.count("\n")
    if lines > LINES_MOST and path not in allowed:
        problems.append(f"{path}: {lines} lines, {LINES_MOST} at most: has it "
            "two jobs?")
    if not path.endswith((".c", ".h")):
        return problems
    for name, first, last in functions(text):
        # What main() of a test has many lines of is its list of tests.
        is_list = name == "main" and path.startswith("tests/")
        if (last - first + 1 > FUNCTION_MOST and not is_list
                and f"{path}:{name}" not in allowed):
            problems.append(f"{path}:{first}: {name}() has "
                f"{last - first + 1} lines, {FUNCTION_MOST} at most")
    return problems


# ---- headers ----

def header_items(text):
    """(kind, text, line, has a blank line before it): comments, preprocessor
    lines and declarations of a header."""
    position = 0
    while True:
        space = re.compile(r"\s*").match(text, position)
        position = space.end()
        if position == len(text):
            return
        is_apart = space.group().count("\n") > 1
        if text.startswith("/*", position):
            kind, end = "comment", text.find("*/", position) + 2
        elif text[position] == "#":
            kind = "directive"
            end = re.compile(r"(?:\\\n|[^\n])*").match(text, position).end()
        else:
            kind, end = "declaration", declaration_end(text, position)
        end = end if end > position else len(text)
        yield kind, text[position:end], line_of(text, position), is_apart
        position = end


def declaration_end(text, position):
    bare = code(text)
    depth = 0
    for end in range(position, len(bare)):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(bare[end], 0)
        if bare[end] == ";" and depth == 0:
            return end + 1
    return len(text)


def prototype_name(declaration):
    """The function that it declares, or None."""
    bare = " ".join(code(declaration).split())
    bare = re.sub(r"__attribute__\s*\(\(.*\)\)", "", bare)
    if "{" in bare or bare.startswith(("typedef", "static_assert",
            "_Static_assert")):
        return None
    match = re.match(r"[^(=]*?\b(\w+)\s*\((?!\s*\*)", bare)
    return match[1] if match is not None else None


def check_prototypes(path, text):
    problems = []
    comment = None  # prototypes under the comment so far; None: no comment
    for kind, item, line, is_apart in header_items(text):
        if kind == "comment":
            comment = 0
            continue
        if is_apart or kind == "directive":
            comment = None
        name = prototype_name(item) if kind == "declaration" else None
        if name is None:
            if "{" in item:
                comment = None  # it was about the struct
        elif comment is None:
            problems.append(f"{path}:{line}: {name}() has no comment directly "
                "before it")
        else:
            comment += 1
            if comment == SIBLINGS_MOST + 1:
                problems.append(f"{path}:{line}: more than {SIBLINGS_MOST} "
                    f"functions share one comment, from {name}() on")
    return problems


def check_guard(path, text):
    guard = re.sub(r"\W", "_", path).upper()
    problems = []
    if not text.startswith("/*"):
        problems.append(f"{path}:1: begin with a comment that says what the "
            "module is for")
    directives = [" ".join(item.split())
        for kind, item, _, _ in header_items(text) if kind == "directive"]
    if directives[:2] != [f"#ifndef {guard}", f"#define {guard}"]:
        problems.append(f"{path}: the include guard should be {guard}")
    elif not text.rstrip().endswith("#endif"):
        problems.append(f"{path}: nothing belongs after the last #endif")
    return problems


# ---- the option table, the sample, the manual ----

def option_rows(text):
    """{(section, name): default} of conf/options.c; a default of None: the
    option must be written."""
    rows = {}
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for match in re.finditer(r'\.section\s*=\s*"([^"]*)"\s*,(.*?)\.meaning',
            bare, re.DOTALL):
        name = re.search(r'\.name\s*=\s*"(\w+)"', match[2])
        standard = re.search(r'\.standard\s*=\s*(NULL|"(?:\\.|[^"\\])*")',
            match[2])
        if name is None or standard is None:
            continue
        value = None
        if standard[1] != "NULL":
            value = re.sub(r"\\(.)", r"\1", standard[1][1:-1])
        rows[match[1], name[1]] = value
    return rows


def check_row_count(rows):
    if len(rows) >= OPTIONS_LEAST:
        return []
    return [f"conf/options.c: only {len(rows)} rows could be read, at least "
        f"{OPTIONS_LEAST} are there: has the form of the table changed?"]


def sample_options(text):
    """(section, label, name, line) of every option of a sample, also of those
    that are commented out as "#name = value"."""
    text = re.sub(r"^(\s*)#(\w+\s*=|\w+ (?:\"[^\"]*\" *|\w+ +)?\{|\})", r"\1 \2",
        text, flags=re.MULTILINE)
    tokens = re.finditer(r"""
        (?P<comment>\#[^\n]*)
        |"(?P<string>(?:\\.|[^"\\\n])*)"
        |(?P<mark>[={}])
        |(?P<word>[^\s={}"\#]+)""", text, re.VERBOSE)
    stack, words = [], []
    in_list = False
    for token in tokens:
        if token.lastgroup == "comment":
            continue
        if token.lastgroup == "mark" and token["mark"] == "=":
            if words and not in_list:
                section, label = stack[-1] if stack else ("", None)
                yield section, label, words[-1], line_of(text, token.start())
            words = ["="]
        elif token.lastgroup == "mark" and token["mark"] == "{":
            if words[-1:] == ["="]:
                in_list = True
            else:
                stack.append((words[0] if words else "?",
                    words[1] if len(words) > 1 else None))
            words = []
        elif token.lastgroup == "mark":
            if in_list:
                in_list = False
            elif stack:
                stack.pop()
            words = []
        else:
            value = token["word"] or token["string"] or ""
            # A value ends what came before; the next word is a name.
            words = [] if words == ["="] else (words + [value])[-2:]


def sections_of(section, label):
    """The sections of the table whose rows may stand there."""
    if section != "class":
        return [section]
    return ["class", f"class {label}", "sign", "senders", "preflight"]


def check_sample(path, text, rows):
    problems = []
    there = set()
    for section, label, name, line in sample_options(text):
        keys = [(place, name) for place in sections_of(section, label)
            if (place, name) in rows]
        if not keys:
            where = section if label is None else f"{section} {label}"
            problems.append(f"{path}:{line}: {name} of section "
                f"\"{where}\" isn't in conf/options.c")
        there.update(keys[:1])
    for section, name in rows:
        if (section, name) not in there:
            problems.append(f"{path}: {name} of section \"{section}\" is "
                "missing")
    return problems


def check_fixed_names(rows, fixed, additions):
    """fixed: section → names that the product promised."""
    problems = []
    for section, name in rows:
        section = section.split()[0] if section else ""
        if (name not in fixed.get(section, ())
                and f"{section}.{name}" not in additions):
            problems.append(f"conf/options.c: {name} of section \"{section}\" "
                "isn't a promised name; see PROMISED in check.py")
    return problems


# ---- manuals ----

MACROS = set("""Ar Cm Dq Dv Em Ev Fa Fl Ic Li Nm No Ns Oc Oo Op Pa Pf Pq Ql Qq
    Sc Sm So Sq Sx Sy Va Vt Xo Xr""".split())


def mdoc_words(line):
    """The words of a macro line, macros left out."""
    words = re.findall(r'"((?:[^"]|"")*)"|(\S+)', line)
    return [quoted or bare for quoted, bare in words
        if quoted or bare not in MACROS]


def mdoc_items(text):
    """(heading, first word, all of the item) of each .It of a manual."""
    heading, item = "", None
    items = []
    for line in text.split("\n"):
        macro = re.match(r"\.(\w+)\s*(.*)", line)
        if macro is not None and macro[1] in ("Sh", "Ss"):
            heading, item = " ".join(mdoc_words(macro[2])), None
        elif macro is not None and macro[1] == "It":
            words = mdoc_words(macro[2])
            item = [heading, words[0] if words else "", line]
            items.append(item)
        elif macro is not None and macro[1] == "El":
            item = None
        elif item is not None:
            item[2] += "\n" + line
    return [tuple(item) for item in items]


def names_of(items, heading):
    return [name for place, name, _ in items if place == heading]


def check_documented(path, what, names, items, heading):
    """Are names, and nothing else, the items below heading?"""
    documented = names_of(items, heading)
    problems = [f"{path}: {what} {name} isn't documented under \"{heading}\""
        for name in sorted(set(names) - set(documented))]
    problems += [f"{path}: {name} under \"{heading}\" is no {what}"
        for name in sorted(set(documented) - set(names))]
    problems += [f"{path}: {name} is there twice under \"{heading}\""
        for name in sorted(set(documented)) if documented.count(name) > 1]
    return problems


def heading_section(heading, rows):
    """The section of the table that a heading of the manual is about."""
    sections = {section for section, _ in rows if section}
    words = re.findall(r"\w+", heading.lower())
    for count in (2, 1):
        for start in range(len(words) - count + 1):
            name = " ".join(words[start:start + count])
            if name in sections:
                return name
    return ""


def plain(text):
    """Text of a manual without macros and quotes, for finding a default."""
    lines = []
    for line in text.split("\n"):
        if line.startswith("."):
            line = " ".join(mdoc_words(line[1:].partition(" ")[2]))
        lines.append(line)
    text = re.sub(r"\\[&e]", "", " ".join(lines)).replace('\\(dq', "")
    return " ".join(re.sub(r'["\\]', "", text).split())


def says_default(item, standard):
    if standard is None:
        return re.search(r"\b(must|no default|required)\b", item) is not None
    value = plain(standard)
    if value in ("", "{ }"):
        return re.search(r"\b(empty|none|unset|off)\b|\{ \}", plain(item),
            re.IGNORECASE) is not None
    # Blanks around punctuation are the macros' doing.
    return re.sub(r"\s", "", value) in re.sub(r"\s", "", plain(item))


def check_option_manual(path, text, rows):
    problems = []
    there = set()
    for heading, name, item in mdoc_items(text):
        if not re.fullmatch(r"[a-z]\w*", name):
            continue
        section = heading_section(heading, rows)
        if section == "" and not re.search(r"top level|global|^options",
                heading, re.IGNORECASE):
            continue  # a list of something else
        keys = [key for key in rows if key[1] == name
            and (key[0] == section or key[0].startswith(section + " ")
                or section.startswith(key[0] + " "))]
        if not keys:
            problems.append(f"{path}: {name} under \"{heading}\" isn't in "
                "conf/options.c")
        for key in keys:
            there.add(key)
            if not says_default(item, rows[key]):
                problems.append(f"{path}: {name} under \"{heading}\" doesn't "
                    f"give the default of section \"{key[0]}\": {rows[key]}")
    for section, name in rows:
        if (section, name) not in there:
            problems.append(f"{path}: {name} of section \"{section}\" has "
                "no .It")
    return problems


# ---- what the code says in the log ----

def reasons(text):
    """The words of policy/verdict.c."""
    return re.findall(r'\[REASON_\w+\]\s*=\s*"(\w+)"', text)


def line_keys(text):
    """The keys of the message's line, in the order of milter/report.c."""
    return re.findall(r'log_line_\w+\(\s*line\s*,\s*"(\w+)"', text)


def arguments(text, position):
    """The arguments of the call whose "(" is at position."""
    depth, start, found = 0, position + 1, []
    bare = code(text)
    for end in range(position, len(bare)):
        depth += {"(": 1, ")": -1}.get(bare[end], 0)
        if (bare[end] == "," and depth == 1) or depth == 0:
            found.append(text[start:end])
            start = end + 1
        if depth == 0:
            break
    return found


def events(text):
    """The names of events that a C file logs."""
    found = []
    text = code(text, keep_strings=True)
    for match in re.finditer(r"\blog_event\(", text):
        given = arguments(text, match.end() - 1)
        if len(given) > 3:
            found += re.findall(r'"(\w+)"', given[2])
    for match in re.finditer(r'"event"\s*,\s*"(\w+)"', text):
        found.append(match[1])
    return found


# ---- README and Makefile.am ----

def check_readme_table(text, read):
    """Lines that name functions and end with their file; read(path) gives its
    text."""
    problems = []
    rows = 0
    for number, line in enumerate(text.split("\n"), 1):
        row = re.fullmatch(r"(.*[\s|`])((?:policy|conf|milter)/[\w/]+\.[ch])"
            r"[\s|`]*", line)
        names = re.findall(r"\b([a-z]+(?:_[a-z0-9]+)+)\b",
            row[1] if row else "")
        if not names:
            continue
        rows += 1
        source = read(row[2])
        if source is None:
            problems.append(f"README:{number}: there is no {row[2]}")
            continue
        defined = {name for name, _, _ in functions(source)}
        problems += [f"README:{number}: {name}() isn't in {row[2]}"
            for name in names if name not in defined]
    if rows < ROWS_LEAST:
        problems.append(f"README: {rows} lines name functions and their file; "
            "the table SMTP event, function, file has one for each event")
    return problems


def check_listed(makefile, paths):
    """Are the test programs listed?"""
    listed = set(re.findall(r"[\w./-]+", re.sub(r"#[^\n]*", "", makefile)))
    # A program without _SOURCES is made of the file of its name.
    return [f"Makefile.am: {path} isn't listed" for path in paths
        if not {path, stem(path)} & listed]
