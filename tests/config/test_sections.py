"""The sections of the main file on their own."""

import base64

import pytest
from pydantic import ValidationError

from config.sections import GatewaySettings, MonitoringSettings, WebhookSettings


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (GatewaySettings(), "http://127.0.0.1:8080"),
        (GatewaySettings(host="::1", port=1), "http://[::1]:1"),
        (GatewaySettings(public_url="https://pay.example/"), "https://pay.example"),
    ],
)
def test_base_url_for_links(settings: GatewaySettings, url: str) -> None:
    assert settings.base_url == url


def test_heartbeat_bounds_rise() -> None:
    with pytest.raises(ValidationError, match="must rise in this order"):
        MonitoringSettings(heartbeat_dump_s=40.0)


def secret(size: int) -> str:
    return "whsec_" + base64.b64encode(b"x" * size).decode()


@pytest.mark.parametrize(
    "text", [secret(23), secret(65), "whsec_", "whsec_?", base64.b64encode(b"x" * 32).decode()]
)
def test_webhook_secret_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a webhook secret") as caught:
        WebhookSettings.model_validate({"secret": text})
    assert text not in str(caught.value) or text == "whsec_"


def test_two_webhook_secrets_may_be_active_the_newest_first() -> None:
    settings = WebhookSettings.model_validate({"secret": secret(24), "secret_previous": secret(64)})
    assert [item.get_secret_value() for item in settings.secrets] == [secret(24), secret(64)]
    assert WebhookSettings().secrets == ()
