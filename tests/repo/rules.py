"""Rules about one Python file at a time: each with its reason, where it applies, and a sample that it must refuse."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

Finding = tuple[int, str]
Check = Callable[[str], Iterator[Finding]]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
HANDLER_LINES_MAX = 40
UNITS = ("s", "ms", "ns", "days", "max", "min", "mb", "kb", "bytes", "port", "replicas", "threshold", "ratio", "share")
NUMBERS = {"int", "float"}


@dataclass(frozen=True)
class Rule:
    """One habit. `where` says for which files, `check` answers line and sentence of each violation."""

    name: str
    reason: str
    where: Callable[[PurePosixPath], bool]
    check: Check
    bad: str


def is_source(path: PurePosixPath) -> bool:
    """What ships."""
    return "src" in path.parts


def is_test(path: PurePosixPath) -> bool:
    """What pytest collects."""
    return "tests" in path.parts and path.name.startswith("test_")


def is_for_tests(path: PurePosixPath) -> bool:
    """What pytest collects, and what stands beside it."""
    return "tests" in path.parts or "testing" in path.with_suffix("").parts or path.name == "conftest.py"


def is_service(path: PurePosixPath) -> bool:
    """The sources of the four services."""
    return path.parts[0] == "services" and is_source(path)


def is_handler(path: PurePosixPath) -> bool:
    """The handlers of the four services."""
    return is_service(path) and path.parent.name == "handlers" and path.name != "__init__.py"


def anywhere(_: PurePosixPath) -> bool:
    """Every Python file."""
    return True


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions(text: str) -> Iterator[Finding]:
    """Functions over the limit, decorators and docstring included."""
    for function in _functions(ast.parse(text)):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield function.lineno, f"{function.name} has {lines} lines, the limit is {FUNCTION_LINES_MAX}"


def long_file(text: str) -> Iterator[Finding]:
    """A file over the limit."""
    lines = len(text.splitlines())
    if lines > FILE_LINES_MAX:
        yield lines, f"{lines} lines, the limit is {FILE_LINES_MAX}"


def long_handler(text: str) -> Iterator[Finding]:
    """A handler file whose lines of code, without imports, docstrings and blank lines, are over the limit."""
    tree = ast.parse(text)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in left_out]
    if len(lines) > HANDLER_LINES_MAX:
        yield (
            lines[-1],
            f"{len(lines)} lines of code, the limit is {HANDLER_LINES_MAX}: move the interest to a use case",
        )


def swallowed_errors(text: str) -> Iterator[Finding]:
    """`except Exception: pass`, or bare, or BaseException, with nothing done about it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body):
            names = (
                {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}
            )
            if names & {"Exception", "BaseException"}:
                yield node.lineno, "swallows every error"


_MARKERS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


def markers(text: str) -> Iterator[Finding]:
    """Notes to oneself."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _MARKERS.search(line):
            yield number, f"{found[0]}: do it, or open an issue"


_MACHINE = re.compile(r"(?<![\w.}>~])/(?:home|Users|root|work|tmp)/\w[\w.-]*")
_WORKPLACE = re.compile(r"(?<![\w.}>~])/(?:Users|root|work)/\w[\w.-]*")


def machine_paths(text: str) -> Iterator[Finding]:
    """Paths of the machine of whoever wrote the line."""
    yield from _paths(_MACHINE, text)


def workplace_paths(text: str) -> Iterator[Finding]:
    """The same in a test, where `/tmp/x` and `/home/somebody` may be words of a request."""
    yield from _paths(_WORKPLACE, text)


def _paths(pattern: re.Pattern[str], text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := pattern.search(line):
            yield number, f"{found[0]} exists on one machine only"


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sleeping_tests(text: str) -> Iterator[Finding]:
    """Sleeps, in a loop too, things that are to happen later by the clock, and a wait that is to end in vain.

    Yielding (`sleep(0)`) is none of them.
    """
    tree = ast.parse(text)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _called(call) in {"sleep", "call_later"}:
            argument = call.args[0] if call.args else None
            if not (isinstance(argument, ast.Constant) and argument.value == 0):
                yield call.lineno, "waits for a time; wait for the event, by chassis.testing.waiting where it has none"
    for block in ast.walk(tree):
        if isinstance(block, ast.With) and any(_expects_a_timeout(item.context_expr) for item in block.items):
            yield from _waits(block)


def _expects_a_timeout(context: ast.expr) -> bool:
    """`pytest.raises(TimeoutError)`, of whichever module: an own kind of error is something that is tested."""
    if not (isinstance(context, ast.Call) and _called(context) == "raises" and context.args):
        return False
    kinds = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(context)}
    return bool(kinds & {"TimeoutError", "NatsTimeoutError"})


def _waits(block: ast.With) -> Iterator[Finding]:
    for call in (node for line in block.body for node in ast.walk(line) if isinstance(node, ast.Call)):
        limits = [*call.args, *(word.value for word in call.keywords if word.arg and word.arg.startswith("timeout"))]
        takes_time = _called(call) in {"wait_for", "timeout", "next_msg"} or len(limits) > len(call.args)
        if takes_time and any(isinstance(part, ast.Constant) for limit in limits for part in ast.walk(limit)):
            yield call.lineno, "shows by a time that nothing comes; send something after it and wait for that"


def tests_without_assertion(text: str) -> Iterator[Finding]:
    """Tests that cannot fail, followed through the functions of the same file."""
    functions = {function.name: function for function in _functions(ast.parse(text))}
    asserting: set[str] = set()
    while True:
        more = {name for name, function in functions.items() if name not in asserting and _asserts(function, asserting)}
        if not more:
            break
        asserting |= more
    for name, function in functions.items():
        if name.startswith("test_") and name not in asserting:
            yield function.lineno, f"{name} asserts nothing"


def _asserts(function: ast.FunctionDef | ast.AsyncFunctionDef, asserting: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = _called(node)
            if name in asserting or name in {"raises", "warns", "fail"} or name.startswith(("assert_", "expect_")):
                return True
    return False


def missing_docstrings(text: str) -> Iterator[Finding]:
    """Public modules, classes, functions and methods that do not say what they promise."""
    tree = ast.parse(text)
    if text.strip() and ast.get_docstring(tree) is None:
        yield 1, "the module says nothing about itself"
    yield from _undocumented(tree.body, "")


def _undocumented(body: list[ast.stmt], within: str) -> Iterator[Finding]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and not _overload_or_setter(node):
            yield node.lineno, f"{within}{node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node.body, f"{node.name}.")


def _overload_or_setter(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(name in {"overload", "override"} or name.endswith(".setter") for name in names)


def prints(text: str) -> Iterator[Finding]:
    """Prints, except in a module that is a command of its own."""
    tree = ast.parse(text)
    if any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno, "prints; use the log, which carries the trace id"


def settings_without_unit(text: str) -> Iterator[Finding]:
    """Numbers in settings whose name does not end in a unit."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef) or not node.name.endswith("Settings"):
            continue
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            names = {name.id for name in ast.walk(field.annotation) if isinstance(name, ast.Name)}
            if names & NUMBERS and field.target.id.rpartition("_")[2] not in UNITS:
                yield field.lineno, f"{field.target.id} is a number without a unit; one of _{', _'.join(UNITS)}"


RULES = (
    Rule(
        "a function has at most 50 lines",
        "what does not fit on a screen is not read as a whole",
        anywhere,
        long_functions,
        "def long():\n" + "    x = 1\n" * 51,
    ),
    Rule(
        "a file has at most 400 lines",
        "a file is one subject; two subjects hide each other",
        anywhere,
        long_file,
        "x = 1\n" * 401,
    ),
    Rule(
        "a handler file has at most 40 lines of code",
        "a handler is a translation; decisions belong to a use case, where they are tested without a bus",
        is_handler,
        long_handler,
        '"""Handler."""\nimport json\n' + "x = 1\n" * 41,
    ),
    Rule(
        "no error is swallowed whole",
        "a swallowed fault is found weeks later, somewhere else",
        anywhere,
        swallowed_errors,
        "try:\n    x = 1\nexcept (ValueError, Exception):\n    pass\n",
    ),
    Rule(
        "no notes to oneself",
        "a marker in code is a promise that nobody keeps; an issue is seen",
        anywhere,
        markers,
        "x = 1  # TO" + "DO: later\n",
    ),
    Rule(
        "no path of one machine",
        "a stranger's clone is somewhere else",
        lambda path: "tests" not in path.parts,
        machine_paths,
        "PATH = '/ho" + "me/somebody/opswire'\n",
    ),
    Rule(
        "no path of one machine in tests",
        "a test that reads its author's files passes for its author alone",
        is_test,
        workplace_paths,
        "PATH = '/wo" + "rk/data'\n",
    ),
    Rule(
        "tests wait for events, never for time",
        "a sleep is too short on a slow machine and too long on a fast one",
        is_for_tests,
        sleeping_tests,
        "async def test_one():\n    while not done:\n        await asyncio.sleep(0.1)\n    assert done\n",
    ),
    Rule(
        "every test asserts something",
        "a test that cannot fail is a lie in the count",
        is_test,
        tests_without_assertion,
        "def helper():\n    return 1\n\ndef test_one():\n    helper()\n",
    ),
    Rule(
        "what is public says what it promises",
        "the next author reads the signature and the docstring, not the body",
        is_source,
        missing_docstrings,
        '"""Module."""\nclass Public:\n    """Doc."""\n    def method(self):\n        return 1\n',
    ),
    Rule(
        "services do not print",
        "a printed line has no trace id, no level and no redaction",
        is_service,
        prints,
        'def speak():\n    print("hello")\n',
    ),
    Rule(
        "a number in settings has its unit in its name",
        "a timeout of 5 has been read as minutes before",
        is_source,
        settings_without_unit,
        "class AnySettings(BaseSettings):\n    timeout: Annotated[float, Field(gt=0)] = 5.0\n",
    ),
)
