#!/bin/sh
# Pigeonhole Sieve: the report of "reject" says that the mail was deleted, not that it was not delivered.
#
# Surprise: the mail that tells of the refusal is a multipart/report of the type disposition-notification,
#   the type of a read receipt: "Disposition: automatic-action/MDN-sent-automatically; deleted". It has
#   no Action and no Status line. Its last part is called message/rfc822, but holds only the header of the
#   refused mail, and an empty text.
# One would have guessed: a delivery-status report ("Action: failed", "Status: 5.7.1"), as mail servers send
#   it when they refuse, and text/rfc822-headers for a header alone. The Sieve standard lets the server
#   choose (RFC 5429). Whoever looks for failed mail in delivery-status reports does not see this one.
# Versions: dovecot-sieve and dovecot-core 1:2.3.19.1+dfsg1-2.1+deb12u7 (Debian 12), that is Pigeonhole
#   0.5.19. Seen on 2026-11-30, with Dovecot's own delivery program and a script in the place of sendmail.
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
unpack dovecot-core=1:2.3.19.1+dfsg1-2.1+deb12u7 dovecot-sieve=1:2.3.19.1+dfsg1-2.1+deb12u7 \
    libunwind8=1.6.2-3

user=$(id -u)
as_user="env"
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
cat > sendmail <<SENDMAIL
#!/bin/sh
{ echo "Arguments: \$*"; cat; } > "$work/home/report"
SENDMAIL
chmod +x sendmail
chmod 755 "$work"
chmod 777 run home
deliver() {  # DOVECONF_ENV: the settings come from the environment, no configuration file is read
    $as_user -i DOVECONF_ENV=1 LD_LIBRARY_PATH="$(echo root/usr/lib/*-linux-gnu):root/usr/lib/dovecot" \
        PATH="$PATH" HOME="$work/home" USER=desk MAIL_UID="$user" MAIL_GID="$user" FIRST_VALID_UID=1 SSL=no \
        MAIL_LOCATION="maildir:$work/home/mail" BASE_DIR="$work/run" STATE_DIR="$work/run" \
        LOG_PATH=/dev/stderr SENDMAIL_PATH="$work/sendmail" HOSTNAME=mail.example.net \
        POSTMASTER_ADDRESS=postmaster@example.net \
        timeout 20 root/usr/lib/dovecot/dovecot-lda -o mail_plugins=sieve \
        -o mail_plugin_dir="$work/root/usr/lib/dovecot/modules" -o plugin/sieve="$work/reject.sieve" \
        -f ann@example.org -a desk@example.net
}
dpkg-deb -f dovecot-sieve_*.deb Package Version | xargs
deliver < order.eml 2> log || { cat log; changed "the delivery failed"; }
[ -e home/report ] || { cat log; changed "no mail came"; }
grep -E '^(Auto-Submitted|Content-Type|Reporting-UA|Final-Rec|Disposition)' home/report | sed 's/^/    /'
grep -q 'report-type=disposition-notification' home/report || changed "another type of report"
grep -q '^Disposition: automatic-action/MDN-sent-automatically; deleted' home/report || changed "Disposition"
if grep -E '^(Action|Status):' home/report; then changed "it speaks of the delivery"; fi
grep -q '^Content-Type: message/rfc822' home/report || changed "no message/rfc822 part"
if grep 'Three boxes' home/report; then changed "the text of the mail is there"; fi
echo "as described: a read receipt that says deleted, and the mail without its text"
