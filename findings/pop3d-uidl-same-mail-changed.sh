#!/bin/sh
# GNU pop3d: the same UIDL, but another mail with another size.
#
# Surprise: the server writes its own lines (X-UIDL, X-IMAPbase, X-UID, Status) into the stored mail and
#   hands them out. So one UIDL names different octets in the first and in the second session. Even within
#   the first session RETR sends more octets than LIST has told: UIDL, asked in between, adds a line.
#   Whoever knows a mail by its UIDL and its size, or by a digest, takes it for a new one.
# One would have guessed: a mail under one UIDL never changes (RFC 1939, section 7, speaks of a digest of
#   the mail), and LIST gives the size that RETR sends.
# Versions: mailutils-pop3d 1:3.15-4 (Debian 12). Seen on 2026-11-30. Needs root, since after the login the
#   server sets its groups anew.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM HUP
cd "$work"
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 2; }
changed() { printf 'CHANGED: %s\n' "$1"; exit 1; }
unpack() {
    apt-get -qq -o APT::Sandbox::User=root download "$@" || { echo "no packages: apt-get update?"; exit 2; }
    for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack mailutils-pop3d=1:3.15-4 mailutils-common=1:3.15-4 \
    libmailutils9=1:3.15-4 libgsasl18=2.2.0-1+deb12u2 libgssglue1=0.7-1.1 libidn12=1.41-1 \
    libntlm0=1.6-4 libldap-2.5-0=2.5.13+dfsg-5 libsasl2-2=2.1.28+dfsg-10+deb12u1 \
    libmariadb3=1:10.11.19-0+deb12u1 libpq5=15.20-0+deb12u1 libssl3=3.0.22-1~deb12u2 \
    libnsl2=1.3.0-2 libtirpc3=1.3.3+ds-1 libwrap0=7.6.q-32 libcom-err2=1.47.0-2+b2 \
    libgssapi-krb5-2=1.20.1-2+deb12u5 libkrb5-3=1.20.1-2+deb12u5 libkrb5support0=1.20.1-2+deb12u5 \
    libk5crypto3=1.20.1-2+deb12u5 libkeyutils1=1.6.3-2 \
    libmu-dbm9=1:3.15-4 libkyotocabinet16v5=1.2.79-2+b1 liblzo2-2=2.10-2 \
    libdb5.3=5.3.28+dfsg2-1 libgdbm6=1.23-3

cat > pop3d.conf <<CONF
auth { authentication "generic:virtdomain"; authorization "virtdomain"; };
virtdomain { passwd-dir $work/domains; };
CONF
mkdir domains home
# shellcheck disable=SC2016  # the dollar signs are crypt's
secret=$(perl -e 'print crypt("secret", q($6$salt$))')
echo "desk:$secret:$(id -u):$(id -g):Desk:$work/home:/bin/sh" > domains/example.net
cat > home/INBOX <<'MBOX'
From ann@example.org Mon Nov 30 10:01:00 2026
From: ann@example.org
To: desk@example.net
Subject: Mail 1
Message-ID: <1@example.org>
Date: Mon, 30 Nov 2026 10:01:00 +0000

Text

MBOX
libs=$(printf "%s:" "$work"/root/usr/lib/*-linux-gnu "$work"/root/lib/*-linux-gnu)
pop3d() { LD_LIBRARY_PATH=$libs timeout 10 root/usr/sbin/pop3d "$@"; }

pop3d --version | head -n 1
session() {
    printf '%s\r\n' "USER desk@example.net" "PASS secret" "LIST 1" "UIDL 1" "RETR 1" "QUIT" |
        pop3d --no-site-config --config-file pop3d.conf --inetd 2> log > session
    # the fourth and fifth answers are those to LIST and UIDL, the mail is what follows the sixth
    uidl=$(sed -n '5s/^+OK 1 //p' session | tr -d '\r')
    size=$(sed -n '4s/^+OK 1 //p' session | tr -d '\r')
    sed '1,6d' session | sed '/^\.\r*$/,$d' > "$1"
    sent=$(($(wc -c < "$1")))
    echo "$1 session: UIDL $uidl, LIST says $size, RETR sends $sent octets"
    grep -E '^(X-|Status)' "$1" | tr -s ' ' | sed 's/^/    /'
}
session first
uidl1=$uidl size1=$size sent1=$sent
session second
[ -n "$uidl1" ] || changed "no UIDL"
[ "$uidl" = "$uidl1" ] || changed "the UIDLs are '$uidl1' and '$uidl'"
[ "$sent1" -gt "$size1" ] || changed "the first session sent as many octets as LIST said"
[ "$size" -gt "$size1" ] || changed "the size stayed $size1"
if cmp -s first second; then changed "both sessions sent the same mail"; fi
echo "as described: one UIDL, three sizes"
