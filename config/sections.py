"""The sections of the main config file: everything that is not one currency's.

The text under each field is its documentation; the example file and the operator's reference are
made from it.
"""

import base64
import binascii
import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from config.fields import (
    BasePath,
    Delays,
    HttpUrl,
    Origins,
    Port,
    Seconds,
    Secret,
    Section,
    as_tuple,
    problem,
)

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Rate = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


def _network(text: str) -> str:
    """Check an IP address or network in CIDR form."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise problem('is not an IP address or network, like "10.0.0.0/8"') from None
    return text


def _webhook_secret(secret: SecretStr) -> SecretStr:
    """Check a Standard Webhooks secret: `whsec_` and the base64 of 24 to 64 bytes."""
    text = secret.get_secret_value()
    try:
        size = len(base64.b64decode(text.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not text.startswith("whsec_") or not 24 <= size <= 64:
        raise problem('is not a webhook secret: expected "whsec_" and the base64 of 24 to 64 random bytes')
    return secret


WebhookSecret = Annotated[Secret, AfterValidator(_webhook_secret)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(as_tuple)]


class GatewaySettings(Section):
    """The HTTP server the website, the client's browser and the operators talk to."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. Put a TLS proxy in front before it is anything but loopback."""
    port: Port = 8080
    """Port to listen on; 0 lets the system choose."""
    secret_file: BasePath = Field(default="data/gateway.secret", validate_default=True)
    """The gateway's own secret, made at the first start; signing secrets of website keys follow from it."""
    public_url: HttpUrl | None = None
    """Address under which browsers reach us, for links; without it http://host:port is used."""
    body_limit_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 65_536
    """Largest request body; a larger one is answered 413."""
    header_limit_bytes: Annotated[int, Field(ge=1024, le=65_536)] = 8_190
    """Largest request line and largest single header."""
    read_timeout_s: Seconds = 10.0
    """How long a client may take to send its body."""
    keepalive_timeout_s: Seconds = 75.0
    """How long an idle connection stays open."""
    shutdown_timeout_s: Seconds = 10.0
    """How long requests in progress may take to end when the server stops."""
    ask_timeout_s: Seconds = 5.0
    """Deadline of one question to the actors; after it the reply is 503 or 504."""
    key_rate_per_s: Rate = 100.0
    """Requests per second one website key may make in the long run."""
    key_burst: Count = 200
    """Requests one website key may make at once."""
    session_rate_per_s: Rate = 5.0
    """Requests per second one client session may make in the long run."""
    session_burst: Count = 30
    """Requests one client session may make at once."""
    ip_rate_per_s: Rate = 50.0
    """Requests per second one IP address may make in the long run."""
    ip_burst: Count = 100
    """Requests one IP address may make at once."""
    rate_entries_max: Count = 100_000
    """How many keys, sessions and addresses the rate limiter remembers."""
    trusted_proxies: Networks = ()
    """Networks whose X-Forwarded-For is believed; none by default."""
    frame_ancestors: Origins = ()
    """Origins of the websites that may show the cashier page in a frame; none by default."""
    session_ttl_default_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    """Life of a client session when the website names none."""
    session_ttl_max_s: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    """Longest life of a client session a website may ask for."""
    operator_session_ttl_s: Annotated[int, Field(ge=300, le=86_400)] = 28_800
    """Longest life of an operator's login."""
    operator_idle_s: Annotated[int, Field(ge=60, le=86_400)] = 1_800
    """How long an operator's login may stay unused."""
    login_tries: Annotated[int, Field(ge=2, le=100)] = 5
    """Failed logins in a row of one name before it is locked out for a while."""
    login_tries_per_address: Annotated[int, Field(ge=2, le=10_000)] = 20
    """Failed logins in a row from one IP address before it is locked out for a while."""
    login_pause_s: Annotated[int, Field(ge=1, le=3_600)] = 30
    """First lock-out; it doubles with each further failure."""
    login_pause_max_s: Annotated[int, Field(ge=1, le=43_200)] = 900
    """Longest lock-out."""
    code_ttl_s: Annotated[int, Field(ge=5, le=600)] = 60
    """Life of the one-time code in the link to the cashier page."""
    signature_window_s: Annotated[int, Field(ge=10, le=3_600)] = 300
    """How far the time of a signed request may be from ours."""
    sse_heartbeat_s: Seconds = 15.0
    """Pause between two comments that keep an event stream open."""
    sse_streams_max: Count = 5_000
    """Event streams open at once; more are answered 503."""
    statements_max: Annotated[int, Field(ge=1, le=1_000)] = 8
    """Statements and exports written at once; more are answered 503."""
    write_timeout_s: Seconds = 30.0
    """How long the reader of a statement may take none of it before it is broken off."""
    page_limit_default: Annotated[int, Field(ge=1, le=500)] = 50
    """Rows of a list when the request names no limit."""
    page_limit_max: Annotated[int, Field(ge=1, le=500)] = 500
    """Most rows of a list a request may ask for."""
    addresses_per_client_max: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Addresses one client may have per currency; all of them stay watched for ever."""
    idempotency_keep_days: Annotated[int, Field(ge=7, le=3_650)] = 7
    """How long the reply to an idempotency key is kept."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.session_ttl_default_s > self.session_ttl_max_s:
            raise problem("session_ttl_default_s is larger than session_ttl_max_s")
        if self.login_pause_s > self.login_pause_max_s:
            raise problem("login_pause_s is larger than login_pause_max_s")
        if self.page_limit_default > self.page_limit_max:
            raise problem("page_limit_default is larger than page_limit_max")
        return self

    @property
    def base_url(self) -> str:
        """The address for links, without a last slash: `public_url`, else http://host:port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


class LedgerSettings(Section):
    """The database that holds the truth."""

    engine: Literal["sqlite"] = "sqlite"
    """Database engine; SQLite is the one there is."""
    path: BasePath = Field(default="data/cashier.sqlite", validate_default=True)
    """The database file; a relative path counts from the folder of the config file."""
    batch_max: Annotated[int, Field(ge=1, le=4_096)] = 256
    """Most commands one database transaction commits together."""
    inbox_max: Annotated[int, Field(ge=1, le=1_000_000)] = 4_096
    """Most commands that may wait for the ledger; more are answered 503."""
    wal_limit_mb: Annotated[int, Field(ge=16, le=65_536)] = 256
    """Size of the write-ahead log above which the writer itself makes a checkpoint."""
    checkpoint_interval_s: Seconds = 0.5
    """Pause between two checkpoints beside the writer."""
    busy_timeout_ms: Annotated[int, Field(ge=0, le=600_000)] = 5_000
    """How long a connection waits for a lock of another one."""
    readers: Annotated[int, Field(ge=1, le=64)] = 2
    """Read-only connections for lists, balances and statements."""
    min_free_mb: Annotated[int, Field(ge=0, le=1_048_576)] = 256
    """Free disk space below which the server does not start."""


class MonitoringSettings(Section):
    """Metrics, health checks and logs."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address of /metrics, /healthz and /readyz; keep it private."""
    port: Port = 9108
    """Port of /metrics, /healthz and /readyz; 0 lets the system choose."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important record that is written."""
    log_format: Literal["json", "console"] = "json"
    """JSON lines for machines, or coloured lines for a person."""
    heartbeat_interval_s: Seconds = 0.25
    """Pause between two signs of life of the event loop."""
    heartbeat_dump_s: Seconds = 1.0
    """Silence after which the stacks of a stuck process are written to the log."""
    heartbeat_exit_s: Seconds = 30.0
    """Silence after which a stuck process ends itself, to be started anew."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.heartbeat_interval_s < self.heartbeat_dump_s < self.heartbeat_exit_s:
            raise problem(
                "heartbeat_interval_s, heartbeat_dump_s and heartbeat_exit_s must rise in this order"
            )
        return self


class WebhookSettings(Section):
    """Delivery of events to the website."""

    url: HttpUrl | None = None
    """Where events are sent; without it none are, and the feed /v1/events tells all."""
    secret: WebhookSecret | None = None
    """Signing secret, "whsec_" and base64. From the environment or a file only."""
    secret_previous: WebhookSecret | None = None
    """The secret before this one, signed with as well while the website changes over."""
    timeout_s: Seconds = 15.0
    """How long the website may take to answer one delivery."""
    schedule_s: Delays = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    """Pause before each attempt; after the last one the delivery is a dead letter."""
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Share by which each pause is varied at random."""
    allow_private: bool = False
    """Whether the URL may lead to a private or loopback address."""
    max_parallel: Annotated[int, Field(ge=1, le=256)] = 8
    """Deliveries under way at once."""
    response_limit_bytes: Annotated[int, Field(ge=0, le=1_048_576)] = 16_384
    """How much of an answer is read."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.url is not None and self.secret is None:
            raise problem("url is set, so a secret is needed: set CASHIER__WEBHOOKS__SECRET_FILE")
        return self

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """The active secrets, the newest first; none when no webhooks are sent."""
        return tuple(secret for secret in (self.secret, self.secret_previous) if secret is not None)


class ActorSettings(Section):
    """The supervision tree: how often what may fail, and how long it may take."""

    intensity: Annotated[int, Field(ge=0, le=1_000)] = 5
    """Restarts a supervisor allows within `period_s` before it gives up itself."""
    period_s: Seconds = 30.0
    """Window of `intensity`."""
    failures_in_row_max: Annotated[int, Field(ge=1, le=1_000)] = 10
    """Failures of one actor without a minute of health between them before its supervisor gives up."""
    backoff_base_s: Seconds = 0.2
    """Pause before the second restart; the first is immediate."""
    backoff_max_s: Seconds = 30.0
    """Longest pause between two restarts."""
    backoff_jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Share by which a pause is varied at random."""
    backoff_reset_s: Seconds = 60.0
    """Uptime after which earlier failures are forgotten."""
    halted_retry_base_s: Seconds = 30.0
    """Pause before a coin that gave up is tried again; it doubles each time."""
    halted_retry_max_s: Seconds = 3_600.0
    """Longest pause between two tries of a coin that gave up."""
    start_timeout_s: Seconds = 30.0
    """How long an actor may take to start."""
    stop_timeout_s: Seconds = 5.0
    """How long an actor may take to stop before it is killed."""
    watchdog_interval_s: Seconds = 5.0
    """Pause between two pings of an actor."""
    watchdog_timeout_s: Seconds = 10.0
    """How long an actor may take to answer a ping before it is killed and counted as failed."""
    inbox_max: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """Most messages that may wait for one actor (the ledger has its own bound)."""
    parked_max: Annotated[int, Field(ge=0, le=1_000_000)] = 1_000
    """Most callers that may wait for an actor that is being restarted."""
    ask_timeout_s: Seconds = 5.0
    """Deadline of a question between actors."""
    process_workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Processes of each UTXO currency that read blocks (REST without TLS) while it catches up; 0 for none."""
    tick_s: Seconds = 1.0
    """Pause between two looks for open work in the database, where no hint came."""
    reconcile_interval_s: Annotated[float, Field(ge=0, le=604_800, allow_inf_nan=False)] = 300.0
    """Least pause between two scheduled comparisons of a chain with the books; 0: after every block."""
    reconcile_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many new blocks a chain has at least between two scheduled comparisons."""
    tick_batch: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Most pieces of open work taken in one look."""
    drain_timeout_s: Seconds = 30.0
    """How long the end of the process (SIGTERM) may take."""


class SignerSettings(Section):
    """The signer: a process of its own, the only holder of seeds."""

    socket: BasePath = Field(default="data/signer.sock", validate_default=True)
    """Unix socket of the signer; a relative path counts from the folder of the config file."""
    seed_file: BasePath = Field(default="data/seed.age", validate_default=True)
    """The seed, encrypted with age under the passphrase."""
    passphrase: Secret | None = None
    """Passphrase of `seed_file`. From the environment or a file only."""
    start_timeout_s: Seconds = 30.0
    """How long the signer may take to start and open the seed."""
    timeout_s: Seconds = 10.0
    """How long one signature may take."""
    requests_per_minute_max: Annotated[int, Field(ge=1, le=100_000)] = 600
    """Most signatures in a minute, all currencies together."""
    request_limit_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 1_048_576
    """Largest request to the signer."""
    inputs_max: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Most inputs of one chain transaction it signs."""
