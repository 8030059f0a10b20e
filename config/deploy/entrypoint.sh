#!/bin/sh
# Entry point of the container: `serve` when nothing else is said, as process 1, so that signals reach it.
# /config holds cashier.toml and coins/, /data is the volume for the database, the secrets and the socket.
set -eu
umask 077

: "${CASHIER__LEDGER__PATH:=/data/cashier.sqlite}"
: "${CASHIER__GATEWAY__SECRET_FILE:=/data/gateway.secret}"
: "${CASHIER__SIGNER__SEED_FILE:=/data/seed.age}"
: "${CASHIER__SIGNER__SOCKET:=/data/signer.sock}"
export CASHIER__LEDGER__PATH CASHIER__GATEWAY__SECRET_FILE CASHIER__SIGNER__SEED_FILE CASHIER__SIGNER__SOCKET

if [ "$#" -eq 0 ]; then
    set -- serve
fi
if [ -f /config/cashier.toml ]; then
    set -- --config /config/cashier.toml "$@"
fi
exec python run.py "$@"
