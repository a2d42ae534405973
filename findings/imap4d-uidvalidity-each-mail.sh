#!/bin/sh
# GNU imap4d: every mail that arrives makes all UIDs of the mailbox invalid.
#
# Surprise: when a delivery program appends a mail to the mbox between two sessions, the server gives the
#   whole mailbox a new UIDVALIDITY, though the old one stands in the X-IMAPbase line of the first mail and
#   each old mail keeps its number in X-UID. A client that trusts UIDVALIDITY (RFC 3501, section 2.3.1.1)
#   has to forget what it knows with each new mail, and to fetch all of it again.
# One would have guessed: X-IMAPbase is there to keep UIDVALIDITY; the new mail gets the next UID.
#   Without a delivery in between, it does stay the same.
# Versions: mailutils-imap4d 1:3.15-4 (Debian 12). Seen on 2026-11-30.
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
unpack mailutils-imap4d=1:3.15-4 mailutils-common=1:3.15-4 \
    libmailutils9=1:3.15-4 libgsasl18=2.2.0-1+deb12u2 libgssglue1=0.7-1.1 libidn12=1.41-1 \
    libntlm0=1.6-4 libldap-2.5-0=2.5.13+dfsg-5 libsasl2-2=2.1.28+dfsg-10+deb12u1 \
    libmariadb3=1:10.11.19-0+deb12u1 libpq5=15.20-0+deb12u1 libssl3=3.0.22-1~deb12u2 \
    libnsl2=1.3.0-2 libtirpc3=1.3.3+ds-1 libwrap0=7.6.q-32 libcom-err2=1.47.0-2+b2 \
    libgssapi-krb5-2=1.20.1-2+deb12u5 libkrb5-3=1.20.1-2+deb12u5 libkrb5support0=1.20.1-2+deb12u5 \
    libk5crypto3=1.20.1-2+deb12u5 libkeyutils1=1.6.3-2

cat > imap4d.conf <<CONF
mailbox { mailbox-type mbox; mailbox-pattern "mbox://$work/spool/\${user}"; };
CONF
mkdir spool
box=spool/$(id -un)
mail() {  # one mail as a delivery program writes it into an mbox
    printf "From ann@example.org Mon Nov 30 10:0%s:00 2026\n" "$1"
    printf "From: ann@example.org\nTo: desk@example.net\nSubject: Mail %s\n" "$1"
    printf "Message-ID: <%s@example.org>\nDate: Mon, 30 Nov 2026 10:0%s:00 +0000\n\nText\n\n" "$1" "$1"
}
libs=$(printf "%s:" "$work"/root/usr/lib/*-linux-gnu "$work"/root/lib/*-linux-gnu)
imap4d() { LD_LIBRARY_PATH=$libs timeout 10 root/usr/sbin/imap4d "$@"; }
talk() {  # the server speaks over standard input and output, already logged in
    printf "%s\r\n" "$@" "z LOGOUT" |
        imap4d --no-site-config --config-file imap4d.conf --inetd --preauth --test | tr -d "\r"
}

imap4d --version | head -n 1
look() {
    talk "a SELECT INBOX" "b UID SEARCH ALL" > session
    validity=$(sed -n 's/.*\[UIDVALIDITY \([0-9]*\)\].*/\1/p' session)
    uids=$(sed -n 's/^\* SEARCH //p' session)
    printf '%-26s UIDVALIDITY %s, UIDs %s\n' "$1" "$validity" "$uids"
    sleep 1.1  # the number is the clock's second: a new one has to differ
}
{ mail 1; mail 2; } > "$box"
look "first session:"
first=$validity
look "again, nothing came:"
[ "$validity" = "$first" ] || changed "UIDVALIDITY moved without a new mail"
mail 3 >> "$box"
printf '%-26s %s\n' "in the file:" "$(grep X-IMAPbase "$box" | tr -s ' ')"
look "after one mail came:"
[ "$validity" != "$first" ] || changed "UIDVALIDITY stayed"
[ "$uids" = "1 2 3" ] || changed "the UIDs are '$uids'"
echo "as described: the UIDs go on, but under a new UIDVALIDITY"
