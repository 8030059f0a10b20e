"""Write the example file and the reference of every field from the settings classes.

`python -m config.reference` writes `cashier.example.toml` and the tables of `README.md` anew.
"""

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from config.coin import BitcoinCoinSettings, CoinBase, EvmCoinSettings
from config.currency import CurrencySettings
from config.environment import env_name
from config.fields import Section
from config.loader import SECTIONS
from config.show import toml_value
from config.token import TokenSettings
from config.walk import base_type, is_amount, is_secret, item_class, section_class, settings_of

__all__ = ["BEGIN", "END", "EXAMPLE", "README", "render_example", "render_reference", "with_reference"]

FOLDER = Path(__file__).parent
EXAMPLE = FOLDER / "cashier.example.toml"
README = FOLDER / "README.md"
BEGIN = "<!-- reference: made by python -m config.reference -->"
END = "<!-- end of reference -->"

_HEAD = """\
# Every setting with its default. Copy to cashier.toml and keep what you change.
# A setting that is commented out has no default. Secrets never stand here: they come from the
# environment (CASHIER__SECTION__KEY) or from a file that it names (CASHIER__SECTION__KEY_FILE).
# Currencies have files of their own in the folder coins/.
"""
_TYPES = {int: "integer", float: "number", str: "text", bool: "true/false", tuple: "list", Path: "path"}


def render_example() -> str:
    """Give the text of the example file."""
    lines = [_HEAD.rstrip()]
    for name, model in SECTIONS.items():
        lines += ["", f"# {_first_line(model)}", f"[{name}]"]
        for key, field in model.model_fields.items():
            lines.append(f"# {field.description}")
            if is_secret(field):
                lines.append(f"# {env_name((name, key))}_FILE")
            else:
                value = _default(field)
                lines.append(f"# {key} =" if value is None else f"{key} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def render_reference() -> str:
    """Give the tables of the README."""
    parts = [_table(f"`[{name}]`", model, model.model_fields) for name, model in SECTIONS.items()]
    shared = CurrencySettings.model_fields
    parts.append(_table("Coin file: every currency", CurrencySettings, shared))
    for key, field in shared.items():
        if item := item_class(field):
            parts.append(_table(f"Coin file: each of `{key}`", item, item.model_fields))
    common = CoinBase.model_fields
    chain = {key: field for key, field in common.items() if key not in shared}
    parts.append(_table("Coin file: every chain", CoinBase, chain))
    for model in (BitcoinCoinSettings, EvmCoinSettings):
        own = {key: field for key, field in settings_of(model).items() if key not in common}
        parts.append(_table(f"Coin file: {_first_line(model)}", model, own))
        for key, field in own.items():
            if nested := section_class(field):
                parts.append(_table(f"Coin file: `{key}`", nested, nested.model_fields))
    node = section_class(common["node"])
    if node is not None:
        parts.append(_table("Coin file: `[node]` and `[witness]`", node, node.model_fields))
    token = {key: field for key, field in TokenSettings.model_fields.items() if key not in shared}
    parts.append(_table("Coin file: a token", TokenSettings, token))
    return "\n\n".join(parts)


def with_reference(text: str) -> str:
    """Put the tables between the two marks of a README; raises ValueError when a mark is missing."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the README has lost its reference marks")
    return f"{before}{BEGIN}\n{render_reference()}\n{END}{after}"


def _first_line(model: type[Section]) -> str:
    """Give the first line of a class's documentation."""
    return (model.__doc__ or "").strip().splitlines()[0]


def _default(field: FieldInfo) -> Any:
    """Give a default as TOML would hold it, None when there is none."""
    if field.is_required() or field.default is None:
        return None
    return list(field.default) if isinstance(field.default, tuple) else field.default


def _table(title: str, model: type[Section], fields: dict[str, FieldInfo]) -> str:
    """Give one table of fields."""
    rows = [
        f"### {title}",
        "",
        _first_line(model),
        "",
        "| Key | Kind | Default | Meaning |",
        "|---|---|---|---|",
    ]
    for key, field in fields.items():
        if is_secret(field):
            kind, default = "secret", "environment or file only"
        else:
            kind = "amount" if is_amount(field) else _TYPES.get(base_type(field.annotation), "table")
            value = _default(field)
            unset = "required" if field.is_required() else "not set"
            default = unset if value is None else f"`{toml_value(value)}`"
        rows.append(f"| `{key}` | {kind} | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    EXAMPLE.write_text(render_example())
    README.write_text(with_reference(README.read_text()))
