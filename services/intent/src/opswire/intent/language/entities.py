"""The things a request names, as its text spells them: inventory names first, then shapes, then grammar.

The text is scanned once by one regular expression; names are found by dictionary. What is found never overlaps and
keeps the order of the text.
"""

from __future__ import annotations

import re
from itertools import pairwise

from opswire.contracts.findings import Entity
from opswire.contracts.types import ENTITIES_MAX, EntityType
from opswire.intent.language.grammar import Token, name_by_grammar
from opswire.intent.language.names import TOKENS_MAX, NameIndex
from opswire.intent.language.normalise import clean
from opswire.intent.language.replacements import swallow_replaced
from opswire.intent.language.shapes import HOST_SHAPE, PARTS, SCANNER, SHAPE_TYPES, TICKET_SHAPE
from opswire.intent.language.vocabulary import (
    CLI_HEADS,
    COMMANDS,
    ENVIRONMENT_IF_PLACED,
    ENVIRONMENT_WORDS,
    LISTED_TYPES,
    METRIC_PAIRS,
    METRIC_WORDS,
    NOUN_TYPES,
    OS_WORDS,
    PLACE_WORDS,
    POINTERS,
    RESERVED_WORDS,
    STOP_WORDS,
)

VALUE_CHARACTERS_MAX = 512

_HOST_TYPES = frozenset(
    """host vm server node machine instance switch router firewall hypervisor device appliance virtual_machine
    virtual-machine loadbalancer load_balancer storage workstation""".split()  # noqa: SIM905
)
_TYPES_OF_ASSETS: dict[str, EntityType] = {
    "database": EntityType.DATABASE,
    "namespace": EntityType.NAMESPACE,
    "cluster": EntityType.ENVIRONMENT,
    "application": EntityType.APPLICATION,
    "site": EntityType.SITE,
}
_RUN_VERBS = frozenset({"run", "execute", "exec", "launch", "trigger"})
_COMMAND_ENDS = frozenset("on in to for and against across from if then please".split())  # noqa: SIM905
_SCRIPT_ENDINGS = (".sh", ".py", ".ps1", ".yml", ".yaml", ".bat", ".pl", ".rb", ".sql")
_KEPT_IN_QUOTES = frozenset({"path", "ip", "url"})
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_BEFORE_A_NOUN = frozenset("the a an our my your this that does do did is how".split())  # noqa: SIM905
_AFTER_ENVIRONMENT = frozenset(
    "environment env cluster server servers host hosts node nodes vm vms machine machines box boxes db database".split()  # noqa: SIM905
)
_AFTER_A_TOOL = frozenset(
    """chart charts release releases stack stacks module modules command commands repo repository values file files
    state container containers image images daemon hub host hosts service operator resources provider config""".split()  # noqa: SIM905
)
_AFTER_LOAD = frozenset({"balancer", "balancers", "balancing", "test", "tests", "the", "a", "my", "our"})
_LISTING = re.compile(
    r"(?:please |hubot )?(?:list(?: out)?|(?:show|give|get) (?:me )?all|(?:show|give) me|what|which)\s"
    r"(?:(?:me|all|of|the|my|our|available|latest|current|currently|existing|open|every|active)\s)*"
)
_UNLISTED = frozenset(
    """logs errors events alerts incidents metrics traces details values changes issues results contents settings
    requests lines stats statistics tickets messages problems warnings calls docs entries commits kinds types
    steps options things days hours keys passwords tokens credentials clauses""".split()  # noqa: SIM905
)


def entity_type_of(asset_type: str) -> EntityType:
    """What an asset of this inventory type is called in a request. Unknown types are services."""
    if asset_type in _HOST_TYPES:
        return EntityType.HOST
    return _TYPES_OF_ASSETS.get(asset_type, EntityType.SERVICE)


def extract_entities(text: str, names: NameIndex) -> list[Entity]:
    """Every entity of the text in its order, each once, without overlaps, at most 64. Never raises on any text."""
    cleaned = clean(text)
    found = dict.fromkeys(
        (token.kind, cleaned[token.start : token.end][:VALUE_CHARACTERS_MAX])
        for token in find_tokens(cleaned, names)
        if token.kind is not None and token.end > token.start
    )
    return [Entity.model_construct(type=kind, value=value) for kind, value in found][:ENTITIES_MAX]


def find_tokens(cleaned: str, names: NameIndex) -> list[Token]:
    """The words and shapes of a cleaned text, each with its type where it denotes something.

    `sure` tells what the inventory or a shape says from what grammar guesses.
    """
    tokens = _scan(cleaned)
    swallow_replaced(tokens)
    _name_by_inventory(tokens, names)
    _name_by_pairs(tokens)
    _name_by_lists(tokens, cleaned, names)
    _mark_commands(tokens, cleaned)
    _name_the_listed(tokens, cleaned)
    name_by_grammar([token for token in tokens if token.group != "swallowed"])
    _unquote(tokens, cleaned)
    return [token for token in tokens if token.group != "swallowed"]


def _scan(cleaned: str) -> list[Token]:
    """Cut the text into words and shapes. Shapes that are certain get their type here."""
    tokens: list[Token] = []
    for match in SCANNER.finditer(cleaned):
        group = match.lastgroup or "word"
        if group == "word":
            tokens.append(Token(match.start(), match.end(), match.group().lower(), group))
            continue
        start, end = match.span()
        for part in PARTS.get(group, ()):
            if match.start(part) >= 0:
                start, end = match.span(part)
        token = Token(start, end, cleaned[start:end].lower(), group)
        token.kind = _kind_in_quotes(token) if group == "quoted" else SHAPE_TYPES.get(group)
        token.sure = token.kind is not None
        _trim(token, cleaned)
        tokens.append(token)
    return tokens


def _kind_in_quotes(token: Token) -> EntityType | None:
    """A path, an address or a link stays one in quotes."""
    inner = SCANNER.fullmatch(token.lower[1:-1])
    return SHAPE_TYPES.get(inner.lastgroup or "") if inner is not None and inner.lastgroup in _KEPT_IN_QUOTES else None


def _trim(token: Token, cleaned: str) -> None:
    """A first word with one slash is a bot's command, not a path; a number out of range is no address and no port."""
    value = cleaned[token.start : token.end]
    if token.group == "path" and token.start == 0 and "/" not in value[1:]:
        token.kind, token.sure, token.group = None, False, "slash"
    elif token.group == "ip" and ":" not in value:
        if any(int(part) > 255 for part in value.partition("/")[0].split(".")):
            token.kind, token.sure, token.group = None, False, "word"
    elif token.group == "port" and not 0 < int(value) < 65_536:
        token.kind, token.sure, token.group = None, False, "word"


def _name_by_inventory(tokens: list[Token], names: NameIndex) -> None:
    """Longest name first. A word that carries intent is a name only where the text points at it."""
    for index, token in enumerate(tokens):
        if token.group in ("swallowed", "url", "path"):
            continue
        word = token.lower
        if token.group == "quoted":
            found = names.lookup(word[1:-1])
            if found is not None:
                token.kind, token.sure = entity_type_of(found.type), True
            continue
        if names.starts_longer(word) and _take_longer(tokens, index, names):
            continue
        found = names.lookup_key(word)
        if found is None:
            continue
        if (word in RESERVED_WORDS or word in STOP_WORDS) and not _is_pointed_at(tokens, index):
            continue
        token.kind, token.sure = entity_type_of(found.type), True


def _take_longer(tokens: list[Token], index: int, names: NameIndex) -> bool:
    """Try names and terms of several words that begin here; what they cover is swallowed."""
    for length in range(min(TOKENS_MAX, len(tokens) - index), 1, -1):
        covered = tokens[index : index + length]
        key = " ".join(token.lower for token in covered)
        found = names.lookup_key(key)
        kind = entity_type_of(found.type) if found is not None else names.term(key)
        if kind is None:
            continue
        covered[0].kind, covered[0].sure, covered[0].end = kind, True, covered[-1].end
        for token in covered[1:]:
            token.kind, token.group = None, "swallowed"
        return True
    return False


def _is_pointed_at(tokens: list[Token], index: int) -> bool:
    """`on all` at the end of a clause points at a host of that name; `on all web servers` does not."""
    after = tokens[index + 1].lower if index + 1 < len(tokens) else None
    return index > 0 and tokens[index - 1].lower in POINTERS and (after is None or after in PLACE_WORDS)


def _name_by_pairs(tokens: list[Token]) -> None:
    """What two words say together: `error rate`, `resource group shop`, `the production namespace`."""
    for index, (first, second) in enumerate(pairwise(tokens)):
        if first.group != "word" or second.group != "word" or first.sure or second.kind is not None:
            continue
        if first.lower in METRIC_PAIRS.get(second.lower, ()):
            first.kind, first.end = EntityType.METRIC, second.end
            second.group = "swallowed"
        elif first.lower == "resource" and second.lower == "group":
            # One noun: what grammar says of `namespace X` holds for it too.
            first.lower, first.end = "namespace", second.end
            second.group = "swallowed"
            if index > 0 and tokens[index - 1].lower in ENVIRONMENT_WORDS:
                tokens[index - 1].kind = EntityType.NAMESPACE
        elif first.lower in ENVIRONMENT_WORDS and second.lower == "namespace":
            first.kind = EntityType.NAMESPACE


def _name_by_lists(tokens: list[Token], cleaned: str, names: NameIndex) -> None:
    """Environments, asset types, metrics, systems, tags and host-shaped words."""
    for index, token in enumerate(tokens):
        if token.kind is not None or token.group != "word":
            continue
        word = token.lower
        if word in ENVIRONMENT_WORDS:
            if word not in ENVIRONMENT_IF_PLACED or _is_placed(tokens, index):
                token.kind, token.sure = EntityType.ENVIRONMENT, True
        elif word in LISTED_TYPES:
            token.kind = EntityType.ASSET_TYPE
        elif word in METRIC_WORDS:
            if word != "load" or not (index + 1 < len(tokens) and tokens[index + 1].lower in _AFTER_LOAD):
                token.kind = EntityType.METRIC
        elif word in OS_WORDS:
            token.kind = EntityType.OS
        elif "@" in word and _EMAIL.fullmatch(word) is not None:
            token.kind, token.sure = EntityType.USER, True
        elif word in STOP_WORDS or word in RESERVED_WORDS or word in NOUN_TYPES:
            continue
        else:
            token.kind = names.term(word)
            token.sure = token.kind is not None
            if (
                token.kind is None
                and HOST_SHAPE.fullmatch(word)
                and not TICKET_SHAPE.fullmatch(cleaned[token.start : token.end])
            ):
                if word.isdigit() or _is_typed_beside(tokens, index):
                    continue
                token.kind, token.sure = EntityType.HOST, True
            elif token.kind is None and word.isdigit():
                _name_number(tokens, index)


def _name_the_listed(tokens: list[Token], cleaned: str) -> None:
    """`list chaos experiments`, `show me all firewall rules`: one to three plain words, the last a plural."""
    listing = _LISTING.match(cleaned.lower())
    if listing is None or any(token.kind is EntityType.ASSET_TYPE for token in tokens):
        return
    first = next((place for place, token in enumerate(tokens) if token.start >= listing.end()), len(tokens))
    for place in range(first, min(first + 3, len(tokens))):
        token = tokens[place]
        if token.group != "word" or not token.is_open or token.lower in METRIC_WORDS:
            return
        word = token.lower
        is_plural = word.endswith("s") and not word.endswith(("ss", "us", "is")) and word not in _UNLISTED
        if is_plural and (place + 1 == len(tokens) or tokens[place + 1].lower in STOP_WORDS):
            tokens[first].kind, tokens[first].end = EntityType.ASSET_TYPE, token.end
            for covered in tokens[first + 1 : place + 1]:
                covered.kind, covered.group = None, "swallowed"
            return


def _is_placed(tokens: list[Token], index: int) -> bool:
    """`in test`, `the test servers`, `deploy to test`, but neither `to test a version` nor `test if`."""
    before = tokens[index - 1].lower if index > 0 else ""
    after = tokens[index + 1].lower if index + 1 < len(tokens) else ""
    if after in _AFTER_ENVIRONMENT:
        return True
    return before in PLACE_WORDS and (before not in {"to", "the", "our"} or not after or after in PLACE_WORDS)


def _is_typed_beside(tokens: list[Token], index: int) -> bool:
    """`the my-app-52 deployment`, `namespace ns-1`: grammar knows better than the shape."""
    for beside in (index + 1, index - 1):
        noun = NOUN_TYPES.get(tokens[beside].lower) if 0 <= beside < len(tokens) else None
        if noun is not None and noun is not EntityType.HOST:
            return True
    return False


def _name_number(tokens: list[Token], index: int) -> None:
    """A bare number: a port after a connection, a count after `to`."""
    token = tokens[index]
    before = tokens[index - 1].lower if index > 0 else ""
    if before == "on" and 2 <= len(token.lower) <= 5 and 0 < int(token.lower) < 65_536:
        token.kind, token.sure = EntityType.PORT, True
    elif before == "to" and any(
        each.lower in {"scale", "replicas", "resize", "grow", "shrink"} for each in tokens[:index]
    ):
        token.kind, token.sure = EntityType.COUNT, True


def _mark_commands(tokens: list[Token], cleaned: str) -> None:
    """A quoted command, a known command line tool with its arguments, a script after `run`."""
    for index, token in enumerate(tokens):
        before = tokens[index - 1].lower if index > 0 else ""
        if token.group == "quoted" and token.kind is None:
            inner = token.lower[1:-1].split()
            is_run = before in _RUN_VERBS or before == "command" or _follows_a_command(tokens, index)
            if inner and (is_run or (inner[0] in COMMANDS and len(inner) > 1)):
                token.kind = EntityType.COMMAND
        elif token.group == "word" and token.kind is None:
            is_run = before in _RUN_VERBS and token.lower in COMMANDS
            if is_run or (token.lower in CLI_HEADS and not _is_spoken_of(tokens, index)):
                _take_command_line(tokens, index, cleaned)
            elif token.lower.endswith(_SCRIPT_ENDINGS) and any(each.lower in _RUN_VERBS for each in tokens[:index]):
                token.kind = EntityType.COMMAND


def _follows_a_command(tokens: list[Token], index: int) -> bool:
    """`run "df -h" and "uptime"`: the second one is a command as well, and must not get lost."""
    place = index - 1
    if place > 0 and tokens[place].lower in {"and", "then", "or"}:
        place -= 1
    return place >= 0 and tokens[place].group == "quoted" and tokens[place].kind is EntityType.COMMAND


def _is_spoken_of(tokens: list[Token], index: int) -> bool:
    """`the helm upgrade`, `unused docker images`: a tool as a word of the sentence, not as the head of a command."""
    if index == 0:
        return False
    after = tokens[index + 1].lower if index + 1 < len(tokens) else ""
    return tokens[index - 1].lower in _BEFORE_A_NOUN or after in _AFTER_A_TOOL


def _take_command_line(tokens: list[Token], index: int, cleaned: str) -> None:
    """The tool's word and what follows, up to a preposition that leaves the command or the end of the clause."""
    end = index + 1
    while end < len(tokens) and tokens[end].lower not in _COMMAND_ENDS and tokens[end].group != "swallowed":
        between = cleaned[tokens[end - 1].end : tokens[end].start]
        if any(mark in between for mark in ",;.?!("):
            break
        end += 1
    if end == index + 1 and tokens[index].lower not in CLI_HEADS and tokens[index].lower in NOUN_TYPES:
        return
    tokens[index].kind = EntityType.COMMAND
    tokens[index].end = tokens[end - 1].end
    for token in tokens[index + 1 : end]:
        token.kind, token.group = None, "swallowed"


def _unquote(tokens: list[Token], cleaned: str) -> None:
    """An entity in quotes is what stands between them."""
    for token in tokens:
        if token.group == "quoted" and token.kind is not None and cleaned[token.start] in "'\"`":
            token.start, token.end = token.start + 1, token.end - 1
