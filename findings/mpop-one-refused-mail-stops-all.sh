#!/bin/sh
# mpop: one mail that its delivery program refuses holds up all the mails behind it.
#
# Surprise: when the delivery program ends with 65 (EX_DATAERR: this one mail is bad), mpop breaks off the
#   session without QUIT and ends with 74. The third of three mails is not fetched, and the next run begins
#   with the second mail and ends there again: what is behind it never comes.
# One would have guessed: the mail stays on the server and the next one is fetched. So does fetchmail, with
#   the same server, the same delivery program and the same exit status.
# Versions: mpop 1.4.18-1, fetchmail 6.4.37-1 (Debian 12). Seen on 2026-11-30. Needs python3 for the
#   POP3 server, which has three plain mails and listens on the loopback only.
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
unpack mpop=1.4.18-1 fetchmail=6.4.37-1 libgsasl18=2.2.0-1+deb12u2 libgssglue1=0.7-1.1 libidn12=1.41-1 \
    libntlm0=1.6-4 libsecret-1-0=0.20.5-3 libglib2.0-0=2.74.6-2+deb12u9 libgcrypt20=1.10.1-3+deb12u1 \
    libssl3=3.0.22-1~deb12u2 libcom-err2=1.47.0-2+b2 libkeyutils1=1.6.3-2 \
    libgssapi-krb5-2=1.20.1-2+deb12u5 libkrb5-3=1.20.1-2+deb12u5 libkrb5support0=1.20.1-2+deb12u5 \
    libk5crypto3=1.20.1-2+deb12u5

cat > server.py <<'PY'
import os
import socket

MAILS = {n: f"From: ann@example.org\r\nSubject: Mail {n}\r\n\r\nText\r\n".encode() for n in (1, 2, 3)}
listening = socket.create_server(("127.0.0.1", 0))
listening.settimeout(20)
with open("port.new", "w") as port:
    port.write(str(listening.getsockname()[1]))
os.rename("port.new", "port")
connection, _ = listening.accept()
connection.settimeout(20)
stream = connection.makefile("rwb")


def answer(first, *lines):
    stream.write(b"".join(line + b"\r\n" for line in (first, *lines)))
    stream.flush()


answer(b"+OK ready")
while command := stream.readline().upper().split():
    verb, number = command[0], int(command[1]) if command[1:] and command[1].isdigit() else None
    if verb == b"CAPA":
        answer(b"+OK", b"USER", b"UIDL", b"TOP", b".")
    elif verb == b"STAT":
        answer(b"+OK 3 %d" % sum(map(len, MAILS.values())))
    elif verb == b"LIST" and number:
        answer(b"+OK %d %d" % (number, len(MAILS[number])))
    elif verb == b"LIST":
        answer(b"+OK", *(b"%d %d" % (n, len(mail)) for n, mail in MAILS.items()), b".")
    elif verb == b"UIDL":
        answer(b"+OK", *(b"%d uid-%d" % (n, n) for n in MAILS), b".")
    elif verb == b"RETR":
        answer(b"+OK", MAILS[number] + b".")
    else:  # USER, PASS, DELE, QUIT
        answer(b"+OK")
    with open("commands", "ab") as commands:
        commands.write(b" ".join(command) + b"\n")
    if verb == b"QUIT":
        break
PY
cat > deliver <<DELIVER
#!/bin/sh
subject=\$(tr -d '\\r' | sed -n 's/^Subject: //p')
[ "\$subject" != "Mail 2" ] || exit 65
echo "\$subject" >> "$work/delivered"
DELIVER
chmod +x deliver
libs=$(printf "%s:" "$work"/root/usr/lib/*-linux-gnu "$work"/root/lib/*-linux-gnu)
export HOME="$work" FETCHMAILHOME="$work"
run() {
    rm -f port commands delivered
    : > commands
    : > delivered
    timeout 40 python3 server.py & server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e port ] || sleep 0.3; done
    status=0
    "$1" > log 2>&1 || status=$?
    wait "$server" || true
    asked=$(sed -n 's/^RETR /RETR /p; /^QUIT/p' commands | paste -s -d, -)
    kept=$(paste -s -d, delivered)
    echo "$1 ends with $status; asked for: $asked; delivered: ${kept:-nothing}"
}
mpop() {
    LD_LIBRARY_PATH=$libs timeout 20 root/usr/bin/mpop --host=127.0.0.1 --port="$(cat port)" --auth=user \
        --user=desk --passwordeval='echo secret' --tls=off --pipelining=off --keep=on \
        --uidls-file=uidls --delivery=mda,"$work/deliver"
}
fetchmail() {
    cat > rc <<RC
poll 127.0.0.1 protocol pop3 port $(cat port) auth password user desk password secret is $(id -un) here
    mda "$work/deliver" sslproto '' keep fetchall
RC
    chmod 600 rc
    LD_LIBRARY_PATH=$libs timeout 20 root/usr/bin/fetchmail --nosyslog -f rc
}
LD_LIBRARY_PATH=$libs root/usr/bin/mpop --version | head -n 1
run mpop
[ "$status:$asked:$kept" = "74:RETR 1,RETR 2:Mail 1" ] || changed "mpop's first run"
run mpop
[ "$status:$asked:$kept" = "74:RETR 2:" ] || changed "mpop's second run"
run fetchmail
[ "$status:$asked:$kept" = "0:RETR 1,RETR 2,RETR 3,QUIT:Mail 1,Mail 3" ] || changed "fetchmail's run"
echo "as described: mpop never comes to the third mail, fetchmail does at once"
