#!/bin/sh
# vacation: it leaves mail with an Auto-Submitted line alone, and sends answers without one.
#
# Surprise: the answer is the owner's text with a To line before it. The program adds no Auto-Submitted, no
#   Precedence, no In-Reply-To and no References, so it does not know its own kind: it leaves mail with
#   such a mark alone, and sends its own without. (Its manual leaves the header lines to the text.)
# One would have guessed: "Auto-Submitted: auto-replied" and In-Reply-To, as RFC 3834 asks of such answers,
#   since the program knows the line and looks for it in what comes.
# Versions: vacation 3.3.3 (Debian 12). Seen on 2026-11-30. The program calls the fixed path of sendmail, so
#   this runs in a mount namespace of its own (unshare, no root needed) where a script stands in its place.
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
unpack vacation=3.3.3 libdb5.3=5.3.28+dfsg2-1
unshare --user --map-root-user --mount true || { echo "no namespaces here"; exit 2; }

mkdir sbin
cat > sbin/sendmail <<SENDMAIL
#!/bin/sh
{ echo "Arguments: \$*"; cat; } > "$work/answer.new"
mv "$work/answer.new" "$work/answer"
SENDMAIL
chmod +x sbin/sendmail
login=$(id -un)
printf 'Subject: Away\n\nI am back on Monday.\n' > text
libs=$(printf '%s:' "$work"/root/usr/lib/*-linux-gnu)
vacation() {  # $1 the extra line of the mail, $2 the data base
    rm -f answer
    {
        printf 'From ann@example.org Mon Nov 30 10:00:00 2026\nFrom: ann@example.org\n'
        printf 'To: %s@example.net\nSubject: Order\nMessage-ID: <1@example.org>\n%s\n\nText\n' "$login" "$1"
    } > mail
    # shellcheck disable=SC2016  # the inner shell's own words
    timeout 20 unshare --user --map-root-user --mount sh -c '
        mount --bind "$1/sbin" /usr/sbin
        LD_LIBRARY_PATH=$2 "$1/root/usr/bin/vacation" -d -f "$1/$3" -m "$1/text" "$4" < "$1/mail"
    ' sh "$work" "$libs" "$2" "$login"
    for _ in 1 2 3 4; do [ -e answer ] || sleep 0.5; done  # the program does not wait for sendmail
}
dpkg-deb -f vacation_*.deb Package Version | xargs
vacation 'Auto-Submitted: auto-replied' one.db
[ ! -e answer ] || changed "it answers a marked mail"
echo "a mail with Auto-Submitted: no answer"
vacation 'X-Mark: none' two.db
[ -e answer ] || changed "no answer to a plain mail"
echo "a plain mail: this answer"
sed "s/^Arguments: -f $login /Arguments: -f LOGIN /; s/^/    /" answer
if sed '/^$/,$d' answer | grep -i -E '^(Auto-Submitted|Precedence|In-Reply-To|References):'; then
    changed "the answer carries a mark"
fi
echo "as described: the answer carries none of the lines that the program looks for"
