#!/bin/sh
# Pigeonhole Sieve: "reject" says in its report that the mail was deleted, not that it was not delivered.
#
# Surprise: where the refusal is sent as a mail, it is a multipart/report of the type disposition-notification,
#   the type of a read receipt: "Disposition: automatic-action/MDN-sent-automatically; deleted". It holds no
#   Status and no Action line. Its Reporting-UA line begins with a percent sign and an s, as they stand in
#   the program's source, and its message/rfc822 part holds the header of the refused mail without the text.
# One would have guessed: a delivery-status report ("Action: failed", "Status: 5.7.1"), as mail servers send
#   when they refuse. RFC 5429, section 2.2, allows both. Whoever looks for failed mail in delivery-status
#   reports only does not see this one.
# Versions: dovecot-sieve and dovecot-core 1:2.3.19.1+dfsg1-2.1+deb12u7 (Debian 12), that is Pigeonhole 0.5.19.
#   Seen on 2026-11-30. sieve-test prints the mail that would be sent, and sends none.
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
unpack dovecot-core=1:2.3.19.1+dfsg1-2.1+deb12u7 dovecot-sieve=1:2.3.19.1+dfsg1-2.1+deb12u7 libunwind8=1.6.2-3

user=$(id -u)
as_user=env
if [ "$user" = 0 ]; then  # Dovecot opens no mailbox for root
    user=65534
    as_user="setpriv --reuid=$user --regid=$user --clear-groups env"
fi
cat > reject.sieve <<'SIEVE'
require ["reject"];
reject "We take no orders here.";
SIEVE
cat > order.eml <<'MAIL'
From: ann@example.org
To: desk@example.net
Subject: Order
Message-ID: <1@example.org>
Date: Mon, 30 Nov 2026 10:00:00 +0000

Three boxes
MAIL
mkdir run home
chmod 755 "$work"
chmod 777 run home
# DOVECONF_ENV: the settings come from the environment, no configuration file is read
$as_user -i DOVECONF_ENV=1 LD_LIBRARY_PATH="$(printf '%s:' root/usr/lib/*-linux-gnu)root/usr/lib/dovecot" \
    PATH="$PATH" HOME="$work/home" USER=desk MAIL_UID="$user" MAIL_GID="$user" FIRST_VALID_UID=1 SSL=no \
    MAIL_LOCATION="maildir:$work/home/mail" BASE_DIR="$work/run" STATE_DIR="$work/run" LOG_PATH=/dev/stderr \
    POSTMASTER_ADDRESS=postmaster@example.net HOSTNAME=mail.example.net \
    timeout 20 root/usr/bin/sieve-test -e -f ann@example.org -r desk@example.net -a desk@example.net \
    reject.sieve order.eml > report 2> log || { cat log; changed "sieve-test did not run"; }
grep -E '^X-Sieve' report
grep -E '^(Auto-Submitted|Content-Type|Disposition|Action|Status|Final-Recipient)|report-type' report | sed 's/^/    /'
grep '^Reporting-UA' report | sed 's/^/    /; s/Agent: .*/Agent: (host)/'
grep -q 'report-type=disposition-notification' report || changed "another type of report"
grep -q '^Disposition: automatic-action/MDN-sent-automatically; deleted' report || changed "another disposition"
if grep -E '^(Action|Status):' report; then changed "it speaks of the delivery"; fi
grep -q '^Reporting-UA: %s;' report || changed "another Reporting-UA"
grep -q '^Content-Type: message/rfc822' report || changed "no message/rfc822 part"
if grep 'Three boxes' report; then changed "the text of the mail is there"; fi
echo "as described: a read receipt that says deleted"
