#!/bin/sh
# GNU imap4d: UID SEARCH does not know the star of a UID range.
#
# Surprise: with two mails in the mailbox, "UID SEARCH UID 1:*" finds nothing. The star means the
#   highest UID (RFC 3501, section 9, seq-range), so both should come. Right answers come to the same
#   question with a number for an end, to the star in "SEARCH 2:*" (message numbers), and to the star
#   in "UID FETCH 2:*". A program that asks "what is new since UID n" in the usual way never sees any.
# One would have guessed: a star works in every sequence set, or the server says BAD.
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
{ mail 1; mail 2; } > "$box"
talk "a SELECT INBOX" "b UID SEARCH ALL" > /dev/null  # the server gives the mails their UIDs

ask() {
    answer=$(talk "a SELECT INBOX" "b $1" | sed -n "s/^\* SEARCH *//p; s/^\* \([0-9]*\) FETCH.*/\1/p" | xargs)
    printf '%-26s finds: %s\n' "$1" "${answer:-nothing}"
    [ "$answer" = "$2" ] || changed "$1 found '$answer', it was '$2'"
}
ask "UID SEARCH ALL" "1 2"
ask "UID SEARCH UID 2:4294967295" "2"
ask "SEARCH 2:*" "2"
ask "UID FETCH 2:* FLAGS" "2"
ask "UID SEARCH UID 1:*" ""
ask "UID SEARCH UID 2:*" ""
echo "as described: only the star in UID SEARCH finds nothing"
