"""How often the intent caches hit on traffic that repeats like people do, and whether a hit is ever wrong.

    just bench template_cache [--requests 1000] [--seed 1] [--rounds 5] [--json]

The streams: requests of the labelled data in which an inventory's names are put in the place of those written there;
`named` leaves those out that name nothing, `all` does not. Which sentence comes is drawn by Zipf's law over the
sentences in random order, which name by Zipf's law over the names of its kind, and every third request is typed
otherwise (capitals, a question mark, a polite word). No model.

The exponents are those of people's requests before any cache, as ours are: 1 for 60 users (Glassman, A caching relay
for the World Wide Web, 1994), 0.97 for 200 (Almeida et al., Characterizing reference locality in the WWW, 1996). Traces
of proxies have 0.64 to 0.83 (Breslau et al., Web caching and Zipf-like distributions, 1999): try `--exponent`.

`plain` is what an ordinary cache would do: the text without double spaces and capitals is the key. `folded` also takes
politeness and punctuation away. `seen` is what ours does before any template serves: the key is what the classifier
sees. `templates` is the service's own, with its own defaults. A hit differs where its intent is not the one that the
full path reads in the same text, or where the full path would have asked back; it is wrong where, besides, a person
gave the sentence another intent.

The labelled set: every labelled request, each with many names of the inventory, many times over; the same counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, TypeVar

from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource
from opswire.intent.adapters.trained_classifier import load_or_train
from opswire.intent.classifier.labelled import load_labelled
from opswire.intent.classifier.model import THRESHOLD, Classifier, Guess
from opswire.intent.errors import UnclearRequestError
from opswire.intent.evaluation.expectations import own_expectations
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.normalise import clean, normalise
from opswire.intent.usecases.find_intent import FindIntent, Reading
from opswire.intent.usecases.shadow import AGREEMENTS, AGREEMENTS_CHANGING, Shadow, Verdict

SENTENCES = 400
EXPONENT = 1.0
TYPED_OTHERWISE_SHARE = 1 / 3
NAMES_PER_SENTENCE = 12
REPEATS = 3
AIM_RATIO = 2.0
CLASSIFIER_PATH = Path(tempfile.gettempdir()) / "opswire-bench-classifier.npz"

ROLES = ("web", "app", "db", "api", "cache", "worker", "build", "mail", "proxy", "batch")
SERVICES = """checkout storefront payments orders-api cart search catalog inventory-api billing frontend gateway
    sessions recommendations shipping pricing reviews accounts notifications media reports nginx redis kafka postgres
    grafana prometheus jenkins elasticsearch rabbitmq haproxy""".split()  # noqa: SIM905
DATABASES = ("orders-db", "customers-db", "billing-db", "catalog-db", "sessions-db", "reviews-db")
ENVIRONMENTS = ("production", "staging", "test", "development")
CRITICALITIES = ("high", "medium", "medium", "low")
KINDS = {
    EntityType.HOST: "host",
    EntityType.SERVICE: "service",
    EntityType.APPLICATION: "service",
    EntityType.DATABASE: "database",
}

ValueT = TypeVar("ValueT")
Load = Callable[[], Awaitable[tuple[Any, list[str]]]]


class Kept(Generic[ValueT]):
    """A cache that forgets nothing."""

    def __init__(self) -> None:
        self._entries: dict[str, ValueT] = {}

    async def read(self, key: str, load: Load) -> tuple[ValueT, str]:
        """The value, and where it came from."""
        if key in self._entries:
            return self._entries[key], "memory"
        value, _ = await load()
        self._entries[key] = value
        return value, "miss"


class Remembering:
    """The trained classifier; what it said of a text is said again at once, as only the answers matter here."""

    def __init__(self, classifier: Classifier) -> None:
        self.digest = classifier.digest
        self._classifier = classifier
        self._said: dict[str, list[Guess]] = {}

    def known_share(self, text: str) -> float:
        """As the classifier's."""
        return self._classifier.known_share(text)

    def classify(self, text: str) -> list[Guess]:
        """As the classifier's."""
        found = self._said.get(text)
        if found is None:
            found = self._said[text] = self._classifier.classify(text)
        return found


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, and what people said that its sentence means."""

    text: str
    meant: frozenset[IntentName]
    sentence: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One way to cache over one stream. Shares are of the requests."""

    stream: str
    way: str
    requests: int
    hits: int
    hit_rate: float
    differing: int
    wrong: int
    us_per_request: float


def inventory() -> tuple[NameIndex, dict[str, list[str]]]:
    """Some 400 assets: hosts of ten roles, services and databases, spread over environments."""
    hosts = [f"{role}-{number:02}" for number in range(1, 37) for role in ROLES]
    names = {"host": hosts, "service": list(SERVICES), "database": list(DATABASES)}
    index = NameIndex()
    every = ((name, kind) for kind, those in names.items() for name in those)
    for number, (name, kind) in enumerate(every):
        environment, criticality = ENVIRONMENTS[number // 7 % 4], CRITICALITIES[number // 3 % 4]
        asset = Asset(id=f"a{number}", name=name, type=kind, environment=environment, criticality=criticality)
        index.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    return index, names


class Sentence:
    """A labelled request with places for names."""

    def __init__(self, text: str, meant: frozenset[IntentName], index: NameIndex) -> None:
        self.meant = meant
        self._parts: list[str] = []
        self.kinds: list[str] = []
        rest = clean(text)
        for entity in extract_entities(text, index):
            kind = KINDS.get(entity.type)
            place = re.search(rf"(?<![\w@./-]){re.escape(entity.value)}(?![\w@./-])", rest, re.IGNORECASE)
            if kind is None or place is None or not _is_one_name(entity.value, index):
                continue
            self._parts.append(rest[: place.start()])
            self.kinds.append(kind)
            rest = rest[place.end() :]
        self._parts.append(rest)

    def with_names(self, draw: Callable[[str], str]) -> Asked:
        """The sentence with a name drawn for each place."""
        text = self._parts[0]
        for kind, part in zip(self.kinds, self._parts[1:], strict=True):
            text += draw(kind) + part
        return Asked(text, self.meant, id(self))


def _is_one_name(value: str, index: NameIndex) -> bool:
    """What grammar takes for a name may be any word; put a name there only where the inventory or its shape says so."""
    return index.lookup(value) is not None or re.fullmatch(r"[a-z]+-?\d+", value, re.IGNORECASE) is not None


def sentences(index: NameIndex) -> list[Sentence]:
    """All labelled requests, those of training and those of the evaluation."""
    rows = [(row.text, frozenset({row.intent})) for row in load_labelled()]
    rows += [(one.query, one.intents) for one in own_expectations()]
    return [Sentence(text, meant, index) for text, meant in rows]


class Zipf(Generic[ValueT]):
    """Draws by rank: the second half as often as the first, and so on, to the power of `exponent`."""

    def __init__(self, items: list[ValueT], exponent: float, rng: random.Random) -> None:
        self._items = items
        self._rng = rng
        self._weights = list(accumulate(1 / rank**exponent for rank in range(1, len(items) + 1)))

    def __call__(self) -> ValueT:
        """One of the items."""
        return self._rng.choices(self._items, cum_weights=self._weights)[0]


def traffic(every: list[Sentence], names: dict[str, list[str]], count: int, seed: int, exponent: float) -> list[Asked]:
    """A stream."""
    rng = random.Random(seed)
    sentence = Zipf(rng.sample(every, SENTENCES), exponent, rng)
    drawn = {kind: Zipf(rng.sample(those, len(those)), exponent, rng) for kind, those in names.items()}
    asked = (sentence().with_names(lambda kind: drawn[kind]()) for _ in range(count))
    return [Asked(typed(one.text, rng), one.meant, one.sentence) for one in asked]


def typed(text: str, rng: random.Random) -> str:
    """The same, as another person types it, in every third case."""
    if rng.random() >= TYPED_OTHERWISE_SHARE:
        return text
    forms = ("{}?", "please {}", "{} please", "hey, {}", "can you {}", "{}, thanks", "{}!")
    return rng.choice(forms).format(text if rng.random() < 0.5 else text[:1].upper() + text[1:])


def labelled_set(every: list[Sentence], names: dict[str, list[str]], seed: int) -> Iterator[Asked]:
    """Every sentence with many names, in random order, again and again."""
    rng = random.Random(seed)
    asked = [
        sentence.with_names(lambda kind: rng.choice(names[kind]))
        for sentence in every
        for _ in range(NAMES_PER_SENTENCE if sentence.kinds else 1)
    ]
    for _ in range(REPEATS):
        rng.shuffle(asked)
        yield from asked


async def answer(find: FindIntent, text: str) -> tuple[IntentName | None, bool]:
    """The intent, or None for a question back, and whether it came from the cache."""
    try:
        found = await find(text)
    except UnclearRequestError:
        return None, False
    return found.name, found.source is IntentSource.CACHE


class KeyOnly:
    """An ordinary cache in front of the full path."""

    def __init__(self, key: Callable[[str], str], find: FindIntent) -> None:
        self._key = key
        self._find = find
        self._kept: dict[str, IntentName | None] = {}

    async def __call__(self, text: str) -> tuple[IntentName | None, bool]:
        """The intent, and whether it was kept."""
        key = self._key(text)
        if key in self._kept:
            return self._kept[key], self._kept[key] is not None
        self._kept[key], _ = await answer(self._find, text)
        return self._kept[key], False


Way = Callable[[str], Awaitable[tuple[IntentName | None, bool]]]


class Bench:
    """The classifier and the inventory, and the ways to cache."""

    def __init__(self) -> None:
        self.index, self.names = inventory()
        self.classifier = Remembering(load_or_train(CLASSIFIER_PATH))

    def find(self, shadow: Shadow | None = None) -> FindIntent:
        """The service's own use case, with a cache that forgets nothing."""
        return FindIntent(self.index, self.classifier, Kept[Reading](), THRESHOLD, shadow=shadow)

    def ways(self, agreements: int, changing: int) -> dict[str, Way]:
        """Each with caches of its own, empty."""
        seen, templates = self.find(), self.find(Shadow(Kept[Verdict](), agreements, changing))
        return {
            "plain": KeyOnly(lambda text: clean(text).lower(), self.find()),
            "folded": KeyOnly(normalise, self.find()),
            "seen": lambda text: answer(seen, text),
            "templates": lambda text: answer(templates, text),
        }

    async def row(self, of: str, name: str, way: Way, stream: Iterable[Asked]) -> Row:
        """Ask the stream in its order; compare every hit with the full path."""
        full, counts, spent_ns = Full(self), Counter[str](), 0
        for asked in stream:
            begun_ns = time.perf_counter_ns()
            intent, is_hit = await way(asked.text)
            spent_ns += time.perf_counter_ns() - begun_ns
            counts["requests"] += 1
            if is_hit:
                read = await full(asked.text)
                counts["hits"] += 1
                counts["differing"] += intent is not read
                counts["wrong"] += intent is not read and intent not in asked.meant
        requests, hits = counts["requests"], counts["hits"]
        each_us = spent_ns / requests / 1_000
        return Row(of, name, requests, hits, hits / requests, counts["differing"], counts["wrong"], each_us)


class Full:
    """The full path, computed for each text on its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def __call__(self, text: str) -> IntentName | None:
        """The intent, or None for a question back."""
        return (await answer(self._bench.find(), text))[0]


def perfect(of: str, stream: list[Asked]) -> Row:
    """What a cache could do at most: each sentence is known from its first request on, whatever it names."""
    hits = len(stream) - len({one.sentence for one in stream})
    return Row(of, "perfect", len(stream), hits, hits / len(stream), 0, 0, 0.0)


async def replay(bench: Bench, of: str, every: list[Sentence], options: argparse.Namespace) -> list[Row]:
    """The medians of each way over streams of several seeds; counts are sums."""
    rows: list[Row] = []
    for seed in range(options.seed, options.seed + options.rounds):
        stream = traffic(every, bench.names, options.requests, seed, options.exponent)
        for name, way in bench.ways(options.agreements, options.agreements_changing).items():
            rows.append(await bench.row(of, name, way, stream))
        rows.append(perfect(of, stream))
    return [_summed([row for row in rows if row.way == name]) for name in dict.fromkeys(row.way for row in rows)]


def _summed(rows: list[Row]) -> Row:
    return Row(
        rows[0].stream,
        rows[0].way,
        sum(row.requests for row in rows),
        sum(row.hits for row in rows),
        statistics.median(row.hit_rate for row in rows),
        sum(row.differing for row in rows),
        sum(row.wrong for row in rows),
        statistics.median(row.us_per_request for row in rows),
    )


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both streams, and the ratio that is aimed at."""
    bench = Bench()
    every = sentences(bench.index)
    streams = {"named": [one for one in every if one.kinds], "all": every}
    rows = [row for of, those in streams.items() for row in await replay(bench, of, those, options)]
    way = bench.ways(options.agreements, options.agreements_changing)["templates"]
    labelled = await bench.row("labelled set", "templates", way, labelled_set(every, bench.names, options.seed))
    rates = {(row.stream, row.way): row.hit_rate for row in rows}
    return {
        "stream": {
            "requests": options.requests,
            "rounds": options.rounds,
            "seed": options.seed,
            "sentences": SENTENCES,
            "exponent": options.exponent,
            "names": {kind: len(those) for kind, those in bench.names.items()},
            "typed_otherwise": TYPED_OTHERWISE_SHARE,
        },
        "agreements": {"looking": options.agreements, "changing": options.agreements_changing},
        "rows": [asdict(row) for row in (*rows, labelled)],
        "per_plain": {
            of: {way: rates[of, way] / rates[of, "plain"] for way in ("folded", "templates", "perfect")}
            for of in streams
        },
    }


def main() -> None:
    """Replay, print the table."""
    parser = argparse.ArgumentParser(prog="just bench template_cache", description="the intent caches on a replay")
    parser.add_argument("--requests", type=int, default=1_000, help="requests of one round")
    parser.add_argument("--rounds", type=int, default=5, help="streams, each of the next seed; medians are printed")
    parser.add_argument("--exponent", type=float, default=EXPONENT, help="of Zipf's law, for sentences and for names")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--agreements", type=int, default=AGREEMENTS, help="before a template serves that only looks")
    parser.add_argument("--agreements-changing", type=int, default=AGREEMENTS_CHANGING, help="and one that changes")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'stream':14}{'way':10} {'requests':>9} {'hits':>7} {'hit rate':>9} {'differing':>10} {'wrong':>6}")
    for row in found["rows"]:
        print(
            f"{row['stream']:14}{row['way']:10} {row['requests']:9} {row['hits']:7} {row['hit_rate']:9.1%} "
            f"{row['differing']:10} {row['wrong']:6}"
        )
    for of, ratios in found["per_plain"].items():
        aim = f", aim: at least {AIM_RATIO:.0f}" if of == "named" else ""
        print(f"{of}: templates / plain {ratios['templates']:.2f}{aim}; a perfect cache {ratios['perfect']:.2f}")


if __name__ == "__main__":
    main()
