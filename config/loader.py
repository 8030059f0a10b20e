"""Read the configuration: main file, coin files and environment, all errors at once."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.coin import CoinBase, EvmCoinSettings
from config.currency import CurrencySettings
from config.draft import Draft, Keys, nearest, read_toml
from config.environment import env_name, known_names, read_environment
from config.errors import ConfigError, Problem
from config.fields import Section, kind
from config.parents import adopt_network, check_with_parent, inherited, parent_name, with_tokens
from config.schema import CoinChanges, Settings, diff
from config.show import as_dict, print_config
from config.token import TokenSettings
from config.walk import (
    FAMILIES,
    TOKENS,
    class_at,
    currency_class,
    is_from_other_files,
    is_secret,
    section_class,
    settings_of,
)

__all__ = [
    "DEFAULT_FILE",
    "CoinChanges",
    "ConfigError",
    "Problem",
    "as_dict",
    "diff",
    "load",
    "print_config",
]

DEFAULT_FILE = Path(__file__).parent / "cashier.toml"
"""Read when no file is named; it need not exist, every setting of it has a default."""

SECTIONS: dict[str, type[Section]] = {
    name: cast(type[Section], field.annotation) for name, field in settings_of(Settings).items()
}

_MISSING = "missing"
_WORDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "path_type": "a path",
    "is_instance_of": "a string",
}


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read `path` (None: the default file, if there is one), `coins/*.toml` beside it, and `environ`.

    Raises ConfigError with every problem found; nothing is half done.
    """
    draft = Draft()
    file = DEFAULT_FILE if path is None else path
    folder = file.parent.absolute()
    if path is not None:
        _must_be_there(path)
    if file.exists():
        _read_main(draft, file)
    coins, broken = _read_coins(draft, file.parent / "coins")
    known = known_names(SECTIONS, coins)
    readable = {name: text for name, text in environ.items() if not name.startswith(broken)}
    overrides = read_environment(draft, readable, known, folder)
    networks = {
        o.path[1]: str(o.value) for o in overrides if o.path[0] == "coins" and o.path[2:] == ("network",)
    }
    for currency, model in coins.items():
        if issubclass(model, TokenSettings):
            adopt_network(draft, currency, networks)
        _select_network(draft, currency, model, networks.get(currency))
    for override in overrides:
        draft.put(override.path, override.value, override.variable)
    return _build(draft, coins, folder, str(file))


def _must_be_there(path: Path) -> None:
    """Say of a file that is not there only that: currencies lie beside it, so nothing else can be judged."""
    try:
        path.stat()
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None


def _read_main(draft: Draft, file: Path) -> None:
    """Read the main file; unknown tables, coins in it and secrets are problems."""
    tree = read_toml(draft, file, ()) or {}
    for name, table in tree.items():
        model = SECTIONS.get(name)
        if name == "coins":
            draft.add(draft.origin((name,)), name, "currencies have files of their own in the folder coins/")
        elif model is None:
            draft.add(draft.origin((name,)), name, "unknown section", nearest(name, list(SECTIONS)))
        else:
            draft.tree[name] = table
            _refuse_secrets(draft, model, table, (name,))


def _read_coins(draft: Draft, folder: Path) -> tuple[dict[str, type[CurrencySettings]], tuple[str, ...]]:
    """Read the coin files; gives the class by currency, and the variable prefixes of unusable files."""
    models: dict[str, type[CurrencySettings]] = {}
    broken: list[str] = []
    draft.tree["coins"] = {}
    for file in _coin_files(draft, folder):
        currency = file.stem
        path = ("coins", currency)
        tree = read_toml(draft, file, path)
        family = tree.get("family") if tree is not None else None
        is_token = tree is not None and "parent" in tree
        model = currency_class(family, is_token)
        if tree is None or model is None:
            broken.append(env_name(path) + "__")
            if tree is not None:
                _refuse_family(draft, family, path, is_token)
            continue
        if "currency" in tree:
            draft.add(draft.origin((*path, "currency")), ".".join(path), "the file's name is the currency")
        for name in [name for name in tree if name in model.model_fields]:
            if is_from_other_files(model.model_fields[name]):
                del tree[name]
                draft.add(draft.origin((*path, name)), ".".join((*path, name)), "each has a file of its own")
        if not is_token:
            _name_nodes(draft, tree, path)
        models[currency] = model
        draft.tree["coins"][currency] = tree | {"currency": currency}
        _refuse_secrets(draft, model, tree, path)
    return models, tuple(broken)


def _refuse_family(draft: Draft, family: object, path: Keys, is_token: bool) -> None:
    """Note that a coin file names no family, or one that does not exist or has no tokens."""
    families: list[str] = list(TOKENS if is_token else FAMILIES)
    subject = "a token's family " if is_token else ""
    reason = f"{subject}must be one of {', '.join(families)}" if family is not None else _MISSING
    hint = nearest(str(family), families)
    draft.add(draft.origin((*path, "family")), ".".join((*path, "family")), reason, hint)


def _name_nodes(draft: Draft, table: dict[str, Any], path: Keys) -> None:
    """`nodes = [a, b]` is another way to write `[node]` and `[witness]`, in each network's table too."""
    networks = table.get("networks")
    for network, values in networks.items() if isinstance(networks, dict) else ():
        if isinstance(values, dict):
            _name_nodes(draft, values, (*path, "networks", network))
    if "nodes" not in table:
        return
    place = (*path, "nodes")
    nodes, names = table.pop("nodes"), ("node", "witness")
    if any(name in table for name in names):
        draft.add(draft.origin(place), ".".join(place), "stands beside [node] or [witness]: write either")
        return
    if not isinstance(nodes, list) or len(nodes) not in (1, 2):
        draft.add(draft.origin(place), ".".join(place), "expected a list of one or two tables")
        nodes = []
    for name, node in zip(names, nodes, strict=False):
        table[name] = node
        draft.origins[*path, name] = draft.origin(place)


def _coin_files(draft: Draft, folder: Path) -> list[Path]:
    """List the coin files; hidden ones are left out, they are an editor's. A missing folder holds none."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        draft.add(str(folder), "", f"cannot be read: {error.strerror}")
        return []
    return [folder / name for name in names if name.endswith(".toml") and not name.startswith(".")]


def _refuse_secrets(draft: Draft, model: type[Section], table: Any, path: Keys) -> None:
    """Take secrets out of a table that was written in a file; each one is a problem."""
    if not isinstance(table, dict):
        return
    for name in list(table):
        field = model.model_fields.get(name)
        if field is not None and is_secret(field):
            del table[name]
            variable = env_name((*path, name))
            reason = f"a secret must not stand in a file like this: set {variable}_FILE or {variable}"
            draft.add(draft.origin((*path, name)), ".".join((*path, name)), reason)
        elif field is not None and (nested := section_class(field)) is not None:
            _refuse_secrets(draft, nested, table[name], (*path, name))
        elif name == "networks" and isinstance(table[name], dict):
            for network, values in table[name].items():
                _refuse_secrets(draft, model, values, (*path, name, network))


def _select_network(draft: Draft, currency: str, model: type[CurrencySettings], override: str | None) -> None:
    """Lay the chosen `[networks.<name>]` table over a coin; check the others' keys and values too."""
    path = ("coins", currency)
    coin = draft.tree["coins"][currency]
    tables = coin.pop("networks", None)
    if tables is None:
        return
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        draft.add(draft.origin((*path, "networks")), ".".join((*path, "networks")), "expected tables")
        return
    for network, values in tables.items():
        variant = Draft(tree={"coins": {currency: copy.deepcopy(coin)}}, origins=dict(draft.origins))
        _lay_over(variant, path, values, (*path, "networks", network))
        origins = {origin for key, origin in draft.origins.items() if key[:4] == (*path, "networks", network)}
        _check(variant, model, variant.tree["coins"][currency] | {"enabled": False}, path, Path())
        draft.problems += [problem for problem in variant.problems if problem.origin in origins]
    chosen = override or coin.get("network", "mainnet")
    if not isinstance(chosen, str):
        return  # the check of the coin tells it
    if chosen in tables:
        _lay_over(draft, path, tables[chosen], (*path, "networks", chosen))
    elif chosen != "mainnet":
        variable = env_name((*path, "network"))
        origin = variable if override else draft.origin((*path, "network"))
        names = ["mainnet", *tables]
        reason = f"must be one of {', '.join(names)}"
        draft.add(origin, ".".join((*path, "network")), reason, nearest(chosen, names))


def _lay_over(draft: Draft, path: Keys, values: dict[str, Any], source: Keys) -> None:
    """Put the values of a table over those at `path`, tables inside it key by key."""
    for name, value in values.items():
        if isinstance(value, dict):
            _lay_over(draft, (*path, name), value, (*source, name))
        else:
            draft.put((*path, name), value, draft.origin((*source, name)))


def _build(draft: Draft, models: dict[str, type[CurrencySettings]], folder: Path, main: str) -> Settings:
    """Check every part; gives the settings or raises ConfigError with all problems."""
    parts: dict[str, Any] = {}
    draft.origins.setdefault((), main)
    for name, section in SECTIONS.items():
        parts[name] = _check(draft, section, draft.tree.get(name, {}), (name,), folder)
    chains = {
        currency: cast(CoinBase | None, _check(draft, model, values, ("coins", currency), folder))
        for currency, model in models.items()
        if not issubclass(model, TokenSettings) and (values := draft.tree["coins"][currency])
    }
    tokens = _tokens(draft, models, chains, folder)
    parts["coins"] = with_tokens(draft, chains, tokens)
    parts["tokens"] = {token.currency: token for token in tokens}
    if not draft.problems:
        settings = _check(draft, Settings, parts, (), folder)
        if settings is not None and not draft.problems:
            return cast(Settings, settings)
    raise ConfigError(draft.problems)


def _tokens(
    draft: Draft,
    models: dict[str, type[CurrencySettings]],
    chains: Mapping[str, CoinBase | None],
    folder: Path,
) -> list[TokenSettings]:
    """Check every token against its class and its chain; with a chain that is wrong itself it waits."""
    tokens: list[TokenSettings] = []
    for currency, model in models.items():
        parent = parent_name(draft, currency, models) if issubclass(model, TokenSettings) else None
        chain = chains[parent] if parent is not None else None
        if not isinstance(chain, EvmCoinSettings):
            continue
        values = inherited(draft.tree["coins"][currency], chain)
        token = _check(draft, model, values, ("coins", currency), folder)
        if isinstance(token, TokenSettings):
            check_with_parent(draft, token, chain)
            tokens.append(token)
    return tokens


def _check(draft: Draft, model: type[Section], values: Any, path: Keys, folder: Path) -> Section | None:
    """Check one table against its class; problems are noted."""
    try:
        return model.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        found = [_explain(draft, model, detail, path) for detail in error.errors(include_url=False)]
        misspelt = {problem.key.rpartition(".")[0] + f".{problem.hint}" for problem in found if problem.hint}
        draft.problems += [p for p in found if p.reason != _MISSING or p.key not in misspelt]
        return None


def _explain(draft: Draft, model: type[Section], detail: ErrorDetails, path: Keys) -> Problem:
    """Turn one error of the check into a problem that an operator understands; shows no value."""
    location = tuple(str(part) for part in detail["loc"])
    whole = path + location
    code = detail["type"]
    hint = None
    if code == "extra_forbidden":
        owner = class_at(model, location[:-1])
        reason = "unknown key"
        hint = nearest(location[-1], list(owner.model_fields)) if owner else None
    elif code == "missing":
        reason = _MISSING
    elif code in _WORDS:
        reason = f"expected {_WORDS[code]}, not {kind(detail['input'])}"
    elif code == "setting":
        reason = str(detail.get("ctx", {}).get("reason", detail["msg"]))
    elif location == ("currency",):
        reason = (
            "the name of the file is not a currency: expected capital letters, like BTC.toml or USDT-ETH.toml"
        )
    else:
        reason = detail["msg"].replace("Input should", "must").replace("String should", "must")
    return Problem(draft.origin(whole), ".".join(whole), reason, hint)
