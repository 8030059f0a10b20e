"""Every error code a caller can meet: HTTP status and title; the README lists the same. Pure."""

from __future__ import annotations

CODES: dict[str, tuple[int, str]] = {
    # The request itself.
    "malformed_request": (400, "The request could not be read"),
    "invalid_json": (400, "The body is not JSON"),
    "idempotency_key_required": (400, "An Idempotency-Key header is required"),
    "idempotency_key_invalid": (400, "The Idempotency-Key header is not usable"),
    "route_not_found": (404, "There is nothing at this address"),
    "method_not_allowed": (405, "This address does not know the method"),
    "request_timeout": (408, "The request took too long to arrive"),
    "body_too_large": (413, "The body is too large"),
    "length_required": (400, "The body must come with its Content-Length, not in chunks"),
    "unsupported_media_type": (415, "The body must be application/json, not encoded"),
    "validation_failed": (422, "The request is not valid"),
    "invalid_amount": (422, "The amount is not valid"),
    "invalid_cursor": (422, "The cursor is not valid"),
    "idempotency_key_reused": (422, "The Idempotency-Key was used with another request"),
    # Who asks.
    "unauthorized": (401, "A valid key or session token is required"),
    "session_invalid": (401, "The session or its code is not valid any more"),
    "signature_required": (401, "This request must be signed"),
    "signature_invalid": (401, "The signature does not match the request"),
    "signature_expired": (401, "The time of the signature is too far from now"),
    "nonce_used": (401, "The nonce of the signature was used before"),
    "forbidden": (403, "The key or session may not do this"),
    "currency_not_allowed": (403, "The session does not include this currency"),
    # What is asked for.
    "not_found": (404, "There is no such object"),
    "unknown_currency": (404, "There is no such currency"),
    "insufficient_funds": (409, "The available balance does not cover it"),
    "external_id_used": (409, "The external_id was used before"),
    "already_exists": (409, "An object with this id exists and is another one"),
    "not_cancellable": (409, "The withdrawal can no longer be cancelled"),
    "currency_closed": (409, "The currency is closed for this"),
    "too_many_addresses": (409, "The client has as many addresses as are allowed"),
    "invalid_client_id": (422, "The client_id cannot be used"),
    "same_account": (422, "Source and target are the same account"),
    "invalid_address": (422, "The address is not valid"),
    "wrong_network": (422, "The address belongs to another network"),
    "forbidden_address": (422, "The address must not be paid"),
    "below_minimum": (422, "The amount is below the minimum"),
    "above_maximum": (422, "The amount is above the maximum"),
    "limit_exceeded": (422, "A limit would be passed"),
    # How we are.
    "rate_limited": (429, "Too many requests"),
    "too_many_streams": (429, "Too many event streams are open"),
    "internal_error": (500, "Something went wrong on our side"),
    "unavailable": (503, "The service cannot answer right now"),
    "currency_unavailable": (503, "The currency's node cannot be used right now"),
    "outcome_unknown": (504, "The request may still take effect"),
}
