# A recipe for an image of the cashier. It is not built or run by the tests; `make test` covers what is in it.
#
#   docker build -t crypto-cashier .
#
# The image holds the program and the dependencies of the hashed lock, no node, no configuration, no key.
# Configuration is mounted at /config (cashier.toml with the folder coins/ beside it), data at /data.

FROM python:3.11-slim-bookworm AS build
COPY requirements.lock /build/requirements.lock
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r /build/requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin cashier \
    && install -d -o cashier -g cashier -m 0700 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY run.py LICENSE ./
COPY actors actors
COPY coins coins
COPY config config
COPY gateway gateway
COPY ledger ledger
COPY monitoring monitoring
# bitcoinlib writes its own settings on import; the root file system stays read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BCL_DATA_DIR=/data/bitcoinlib \
    CASHIER__GATEWAY__HOST=0.0.0.0 \
    CASHIER__MONITORING__HOST=0.0.0.0
USER cashier
VOLUME /data
EXPOSE 8080 9108
# SIGTERM drains: what is committed is finished, then the actors stop in reverse order.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9108/healthz', timeout=2)"]
ENTRYPOINT ["/bin/sh", "/app/config/deploy/entrypoint.sh"]
CMD ["serve"]
