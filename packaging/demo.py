"""demo: postern's main job, shown on real mail: a private Postfix, a private
DNS server, the daemon with its embedded store, on loopback and in a temporary
directory."""

import os
import subprocess
import sys
import textwrap

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))

from harness import dkimcheck, message  # noqa: E402
from harness.dns import Nsd  # noqa: E402
from harness.place import Place, token, wait_until  # noqa: E402
from harness.postern import program  # noqa: E402
from harness.postfix import HOST  # noqa: E402
from harness.world import RELAYER, World  # noqa: E402

ALICE, BOB = "alice@a.example", "bob@b.example"
EGRESS = "192.0.2.10"
# What the domains publish. b.example wants forged mail refused.
ZONE = {
    "a.example": [["TXT", f"v=spf1 ip4:{EGRESS} -all"]],
    "_dmarc.a.example": [["TXT", "v=DMARC1; p=none"]],
    "b.example": [["TXT", "v=spf1 ip4:198.51.100.7 -all"]],
    "_dmarc.b.example": [["TXT", "v=DMARC1; p=reject"]],
    "mx1.provider.example": [["A", EGRESS]],
    "10.2.0.192.in-addr.arpa": [["PTR", "mx1.provider.example"]],
}
SETTINGS = {
    "egress": [f"{EGRESS} mx1.provider.example"],
    "relay_networks": ["127.0.0.0/8", "::1/128", RELAYER],
    "senders": {"on_mismatch": "reject"},
    ("limit", "hourly"): {"key": "account", "count": "recipients", "max": 5,
                          "per": "1h", "action": "tempfail"},
    ("class", "local"): {"mode": "enforce"},
    ("class", "relay"): {"mode": "enforce", "on_mismatch": "observe",
                         "on_fail_reject": "reject"},
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


def show_unaligned(world: World) -> bool:
    heading(5, "A domain with p=reject: refused here, not at the receiver")
    say("   b.example publishes _dmarc: v=DMARC1; p=reject, the public half of "
        "its key, and SPF for another host.")
    text = message.compose(BOB)
    spoofed = world.send(BOB, "r@out.example", text, address=RELAYER)
    dialogue(f"From: {BOB}, from a customer's web server ({RELAYER})", spoofed)
    log_line(world, reason="unaligned")
    rcpt = f"{token()}@out.example"
    own = world.send(BOB, rcpt, text, BOB)
    dialogue(f"the same message, with the login {BOB}", own)
    log_line(world, account=BOB, action="accept")
    return (spoofed.code == 550 and spoofed.status == "5.7.26" and own.ok
            and world.sink.take(rcpt) is not None)


def run(nsd: Nsd) -> int:
    world = World("demo", {**SETTINGS, **nsd.settings()},
                  keys=("a.example", "b.example", HOST))
    try:
        nsd.load({**ZONE, **{name: [["TXT", text]] for name, text
                             in world.keys.records.items()}})
        shown = [show(world) for show in
                 (show_signed, show_spoofed, show_limit, show_php,
                  show_unaligned)]
        story = "" if all(shown) else world.story()
    finally:
        world.stop()
    if not all(shown):
        print(f"\nNot as it should be: {shown}\n{story}")
        return 1
    print("\nAll five as they should be. Postfix, nsd and postern are "
          "stopped, and their\ndirectories are gone.")
    return 0


def main() -> int:
    print("postern: the gate for outbound mail. A private Postfix and postern "
          "on loopback;\na server that takes the place of the Internet, and a "
          "DNS server with its zones.")
    place = Place("demo-dns")
    nsd = Nsd(place, ZONE)
    try:
        nsd.start()
        return run(nsd)
    finally:
        nsd.stop()
        place.remove()


if __name__ == "__main__":
    sys.exit(main())
