"""demo: postern's main job, shown on real mail: a private Postfix, the daemon
with its embedded store, on loopback and in a temporary directory."""

import os
import subprocess
import sys
import textwrap

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))

from harness import dkimcheck, message  # noqa: E402
from harness.place import token, wait_until  # noqa: E402
from harness.postern import program  # noqa: E402
from harness.postfix import HOST  # noqa: E402
from harness.world import World  # noqa: E402

ALICE, BOB = "alice@a.example", "bob@b.example"
SETTINGS = {
    "senders": {"on_mismatch": "reject"},
    ("limit", "hourly"): {"key": "account", "count": "recipients", "max": 5,
                          "per": "1h", "action": "tempfail"},
    ("class", "local"): {"mode": "enforce"},
}


def heading(number: int, words: str) -> None:
    print(f"\n{number}. {words}\n" + "-" * (len(words) + 3))


def say(words: str) -> None:
    print(textwrap.fill(words, 78))


def dialogue(client: str, reply) -> None:
    print(f"   {client}")
    for line in reply.lines:
        print(textwrap.fill(line, 74, initial_indent="   < ",
                            subsequent_indent="     "))


def log_line(world: World, **wanted) -> None:
    fields = world.message_line(**wanted)
    words = " ".join(f'{key}="{value}"' if " " in value else f"{key}={value}"
                     for key, value in fields.items())
    print(textwrap.fill(words, 74, initial_indent="   log: ",
                        subsequent_indent="        ",
                        break_long_words=False, break_on_hyphens=False))


def show_signed(world: World) -> bool:
    heading(1, "Alice sends from her own address: signed and relayed")
    rcpt = f"{token()}@out.example"
    reply = world.send(ALICE, rcpt, message.compose(ALICE), ALICE)
    dialogue(f"MAIL FROM:<{ALICE}> with the login {ALICE}", reply)
    if not reply.ok:
        return False
    got = world.sink.take(rcpt).message
    print("   The receiving server got these signatures:")
    for one in dkimcheck.signatures(got):
        print(f"     DKIM-Signature: a={one['a']}; d={one['d']}; "
              f"s={one['s']}; b={one['b'][:24]}...")
    python = dkimcheck.by_python(got, world.keys.records)
    perl = dkimcheck.by_perl(got, world.keys.records)
    print(f"   python3-dkim says: {', '.join(python)}")
    print(f"   Mail::DKIM says:   {', '.join(perl)}")
    log_line(world, account=ALICE, action="accept")
    return (len(python) == 2
            and all(one.endswith(" pass") for one in python + perl))


def show_spoofed(world: World) -> bool:
    heading(2, "Alice writes another customer's address into From: refused")
    reply = world.send(ALICE, "r@out.example", message.compose(BOB), ALICE)
    dialogue(f"From: {BOB}, with the login {ALICE}", reply)
    log_line(world, account=ALICE, action="reject")
    return reply.code == 550 and reply.status == "5.7.1"


def show_limit(world: World) -> bool:
    heading(3, "An account at its limit (5 recipients an hour): stopped")
    rcpts = [f"r{i}@out.example" for i in range(4)]
    reply = world.send(ALICE, rcpts, message.compose(ALICE), ALICE)
    dialogue("4 more recipients: that makes 5", reply)
    over = world.send(ALICE, "r@out.example", message.compose(ALICE), ALICE)
    dialogue("one more, refused when the message ends", over)
    again = world.send(ALICE, "r@out.example", message.compose(ALICE), ALICE)
    dialogue(f"and again, refused at once ({again.stage}), without asking "
             "the store", again)
    log_line(world, account=ALICE, action="tempfail")
    print("   posternctl limits show:")
    shown = subprocess.run([program("posternctl"), "-c", world.postern.file,
                            "limits", "show", ALICE], text=True,
                           capture_output=True, check=False)
    print(textwrap.indent(shown.stdout + shown.stderr, "     "), end="")
    return (reply.ok and over.code == again.code == 450
            and again.stage == "MAIL" and shown.returncode == 0)


def show_php(world: World) -> bool:
    heading(4, "A PHP script floods through sendmail(1): held, not lost")
    say("   PHP has no queue: a refusal would lose the mail, so what is over "
        "the limit waits in Postfix's hold queue for a person to look at it.")
    author = f"web@{HOST}"
    rcpts = [f"{token()}@out.example" for _ in range(7)]
    for rcpt in rcpts:
        world.postfix.sendmail(
            ["-i", "-f", author, rcpt], message.compose(
                author, headers=[("X-PHP-Originating-Script",
                                  "33:contact.php")]))
        wait_until(lambda: world.sink.find(rcpt) or world.postfix.held(rcpt),
                   "the PHP mail, relayed or held", 30)
    held = [rcpt for rcpt in rcpts if world.postfix.held(rcpt)]
    print(f"   {len(rcpts)} sent: {len(rcpts) - len(held)} relayed, "
          f"{len(held)} on hold:")
    for one in world.postfix.queue("hold"):
        print(f"     {one['queue_id']}  from {one['sender']}")
    log_line(world, account=f"local:{HOST}", action="hold")
    return len(held) == 2


def main() -> int:
    print("postern: the gate for outbound mail. A private Postfix and postern "
          "on loopback;\na server that takes the place of the Internet.")
    world = World("demo", SETTINGS, keys=("a.example", "b.example", HOST))
    try:
        shown = [show(world) for show in
                 (show_signed, show_spoofed, show_limit, show_php)]
        story = "" if all(shown) else world.story()
    finally:
        world.stop()
    if not all(shown):
        print(f"\nNot as it should be: {shown}\n{story}")
        return 1
    print("\nAll four as they should be. Postfix and postern are stopped, and "
          "their directory is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
