#!/bin/sh
# Makes the certificates again. The authorities' keys are thrown away.
set -e
cd "$(dirname "$0")"
days=36500
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -keyout "$1.ca.key" -out "$1.crt" -subj "/CN=$1" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign 2>/dev/null
}
certificate() { # authority, name, alternative names
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$2.key" -out "$2.csr" -subj "/CN=$2" 2>/dev/null
    printf 'subjectAltName=%s\n' "$3" > "$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.crt" -CAkey "$1.ca.key" -days $days -out "$2.crt" -extfile "$2.ext" 2>/dev/null
    rm "$2.csr" "$2.ext"
}
authority ca
authority other-ca
certificate ca door.test DNS:door.test
certificate ca door2.test DNS:door.test
certificate ca wild.test 'DNS:*.wild.test'
certificate ca client DNS:client.test
certificate ca upstream.test DNS:upstream.test,DNS:localhost,IP:127.0.0.1
certificate other-ca other DNS:door.test,DNS:client.test,DNS:upstream.test,IP:127.0.0.1
rm -f ./*.ca.key ./*.srl
