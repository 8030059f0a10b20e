#!/bin/sh
# Entry point of the container: `serve` when nothing else is said, as process 1, so that signals reach it.
# /config holds cashier.toml and coins/, /data is the volume for the database, the seed and the socket.
set -eu
umask 077

: "${CASHIER__LEDGER__PATH:=/data/cashier.sqlite}"
: "${CASHIER__SIGNER__SEED_FILE:=/data/seed.age}"
: "${CASHIER__SIGNER__SOCKET:=/data/signer.sock}"
export CASHIER__LEDGER__PATH CASHIER__SIGNER__SEED_FILE CASHIER__SIGNER__SOCKET

if [ "$#" -eq 0 ]; then
    set -- serve
fi
case "$1" in
-*) ;; # an option of the program itself, like --help
*)
    if [ -f /config/cashier.toml ]; then
        command="$1"
        shift
        set -- "$command" --config /config/cashier.toml "$@"
    fi
    ;;
esac
exec python run.py "$@"
