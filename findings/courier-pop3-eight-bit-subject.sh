#!/bin/sh
# Courier POP3: a plain old 8-bit Subject, and RETR hands out another mail.
#
# Surprise: when a header holds a raw 8-bit character (old mail programs still write them) and the client
#   has not said UTF8, RETR and TOP do not give the stored mail. They give one from "Mail Delivery
#   Subsystem <postmaster>" with the Subject "Cannot display Unicode content", the real one within as
#   message/global. It makes no difference if the character is no UTF-8 at all but Latin-1. LIST still
#   tells the size of the stored mail, and the mail that is handed out has neither Message-ID nor Date.
# One would have guessed: the server sends the stored octets, as POP3 servers did before RFC 6856. That RFC
#   lets a server put something in place of a mail, but it speaks of internationalised mail, in UTF-8.
# How it is run: courierpop3d serves over standard input and output. The program that does the login sets
#   UTF8=0 for it, or UTF8=1 if the client said so.
# Versions: courier-pop 1.0.16-3+b6 (Debian 12). Seen on 2026-11-30.
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
unpack courier-pop=1.0.16-3+b6 courier-authlib=0.71.4-1+b2 libcourier-unicode4=2.1.2-2+b2 libidn12=1.41-1

mkdir -p box/cur box/new box/tmp
printf 'From: ann@example.org\nSubject: Gr\374\337e\nMessage-ID: <1@example.org>\n\nText\n' > box/new/1.a.b
libs=$(printf "%s:" "$work"/root/usr/lib/*-linux-gnu "$work"/root/usr/lib)
bin=$work/root/usr/lib/courier/courier
grep -q -a UTF8=0 "$bin/courierpop3login" || changed "the login program knows no UTF8=0"

dpkg-deb -f courier-pop_*.deb Package Version | xargs
session() {
    printf '%s\r\n' "LIST 1" "RETR 1" "QUIT" |
        LD_LIBRARY_PATH=$libs UTF8=$1 AUTHENTICATED=desk AUTHADDR=desk TCPREMOTEIP=127.0.0.1 \
            timeout 10 "$bin/courierpop3d" box 2> log | tr -d '\r' > session
    listed=$(sed -n '2s/^+OK 1 //p' session)
    octets=$(sed -n '3s/^+OK \([0-9]*\) octets.*/\1/p' session)
    sed '1,3d; /^$/,$d' session > header
    echo "UTF8=$1: LIST says $listed, RETR says $octets octets, and the header is"
    LC_ALL=C sed 's/[^ -~]/?/g; s/^/    /' header
}
session 1
grep -q '^From: ann@example.org' header || changed "with UTF8 the mail is not the stored one"
session 0
grep -q '^From: Mail Delivery Subsystem <postmaster>' header || changed "RETR gave the stored mail"
if grep -q -i '^Message-ID' header; then changed "the mail handed out has a Message-ID"; fi
[ "$octets" -gt "$listed" ] || changed "LIST and RETR tell one size"
echo "as described: without UTF8 the mail comes from the postmaster"
