#!/bin/sh
# mlmmj: the question to a new subscriber looks like a mail that a person wrote.
#
# Surprise: the mail that asks "confirm subscription" carries no sign of a machine: no Auto-Submitted, no
#   Precedence, no List-Id or any other List-* line. It has a From, a Subject, a Reply-To and a plain text.
#   Only the envelope sender (NAME+bounces-confsub-...) tells. Whoever sorts machine mail out by the header
#   takes it for a person's.
# One would have guessed: "Auto-Submitted: auto-generated" (RFC 3834), "Precedence: list" or a List-Id.
# Versions: mlmmj 1.3.0-4 (Debian 12). Seen on 2026-11-30. Needs python3 for the SMTP server that takes the
#   mail; it listens on the loopback only.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM HUP
cd "$work"
changed() { printf 'CHANGED: %s\n' "$1"; exit 1; }
unpack() {
    apt-get -qq -o APT::Sandbox::User=root download "$@" || { echo "no packages: apt-get update?"; exit 2; }
    for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack mlmmj=1.3.0-4

cat > server.py <<'PY'
import os
import socket

listening = socket.create_server(("127.0.0.1", 0))
listening.settimeout(20)
with open("port.new", "w") as port:
    port.write(str(listening.getsockname()[1]))
os.rename("port.new", "port")
connection, _ = listening.accept()
connection.settimeout(20)
stream = connection.makefile("rwb")


def answer(line):
    stream.write(line + b"\r\n")
    stream.flush()


answer(b"220 mail.example.net")
with open("mail", "wb") as mail:
    while line := stream.readline():
        if line.upper().startswith(b"MAIL"):
            mail.write(line)
        if line.upper().startswith(b"QUIT"):
            answer(b"221 bye")
            break
        if line.upper().startswith(b"DATA"):
            answer(b"354 go on")
            while (text := stream.readline()) not in (b".\r\n", b""):
                mail.write(text)
        answer(b"250 mail.example.net")
PY
timeout 40 python3 server.py & server=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e port ] || sleep 0.3; done

list=$work/list
for folder in incoming queue/discarded archive text subconf unsubconf bounce control moderation \
    subscribers.d digesters.d requeue nomailsubs.d; do
    mkdir -p "$list/$folder"
done
touch "$list/index"
cp root/usr/share/mlmmj/text.skel/en/* "$list/text"
echo news@list.example > "$list/control/listaddress"
echo owner@list.example > "$list/control/owner"
echo 127.0.0.1 > "$list/control/relayhost"
cp port "$list/control/smtpport"

"$work/root/usr/bin/mlmmj-sub" -V
timeout 20 "$work/root/usr/bin/mlmmj-sub" -L "$list" -a ann@example.org -C
wait "$server"
tr -d '\r' < mail | sed '/^$/,$d' > header
sed 's/[0-9a-f]\{16\}/(16 digits)/; s/^/    /' header
grep -q '^MAIL FROM:<news+bounces-confsub-' header || changed "the envelope sender"
grep -q '^Subject: .*Confirm_subscription' header || changed "no question came"
if grep -i -E '^(Auto-Submitted|Precedence|List-[A-Za-z]*|X-.*):' header; then
    changed "it carries a sign now"
fi
echo "as described: nothing in the header says that a machine wrote it"
