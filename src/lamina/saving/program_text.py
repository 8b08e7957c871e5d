"""Checking the text of an exported program before MLIR parses it.

MLIR's parsers are native code: damaged bytecode can crash the process or make it hang. So a program
is stored as text, and only text in the narrow form that `export` writes is parsed: VHLO operations
in generic form, tensors of numbers, and attributes. The operations are checked afterwards, by
`program_operations`.
"""

from __future__ import annotations

import math
import re

__all__ = ["check_text"]

_DEEPEST = 64
_MOST_ELEMENTS = 1 << 40
_MOST_IN_OPTION = 1 << 16

_FLOAT = r"(?:bf16|f16|f32|f64|f8E\w+?|f6E\w+?|f4E\w+?)"
_PLAIN = rf"(?:u?i(?:1|2|4|8|16|32|64)|{_FLOAT})\b"
_SCALAR = rf"!vhlo\.(?:bool|none|u?i(?:2|4|8|16|32|64)|{_FLOAT})_v\d(?![\w<])"
_ELEMENT = rf"(?:{_SCALAR}|!vhlo\.complex_v1<{_SCALAR}>|{_PLAIN}|complex<{_PLAIN}>)"
_ATTRIBUTES = (
    r"array_v1<(?=\[)",
    r"bool_v1<(?=[tf])",
    r"dict_v1<(?=\{)",
    r"float_v1<(?=[-\d])",
    r"integer_v1<(?=[-\d])",
    r"result_accuracy_v1<(?=atol)",
    r'string_v1<(?=")',
    r"tensor_v1<(?=dense<)",
    r"type_v1<(?=!)",
)
_TOKENS = re.compile(
    "|".join(
        (
            r"[ \n]++",
            r'"(?:builtin\.module|vhlo\.[a-z0-9_]++)"(?=\()',  # an operation
            r'"(?:[^"\\\n]++|\\.)*+"(?!\()',
            r"%\w++(?:[#:]\d++)?+",  # a value
            r"\^bb\d++(?=[(:])",
            rf"(?:!vhlo\.tensor_v1|tensor)<(?P<shape>(?:(?:\d{{1,18}}+|\?)x)*+){_ELEMENT}>",
            r"!vhlo\.func_v1<(?=\()",
            _ELEMENT,
            rf"#vhlo\.(?:{'|'.join(_ATTRIBUTES)})",
            r"#vhlo<[a-z0-9_]++ [A-Z0-9_]++>",
            r"dense<",
            r"(?:jax\.[a-z_]++|mhlo\.num_(?:partitions|replicas)|[a-z]\w*+)(?= = )",
            r"(?:true|false)\b",
            r"0x[0-9A-Fa-f]++",
            r"-?\d++(?:\.\d*+(?:[eE][-+]?\d++)?+)?+(?![\w.])",
            r"->|[=(){}<>\[\],:]",
        )
    )
)
_OPTION = re.compile(r"(?<!value = #vhlo\.tensor_v1<)dense<[^<>]*+> : tensor<((?:\d++x)*+)")
_OPENED_BY = {")": "(", "]": "[", "}": "{", ">": "<"}


def check_text(text: str) -> None:
    """Raise an error unless a text has the form that `export` writes.

    Args:
        text: the text of a program.

    Raises:
        ValueError: it has another form, brackets that do not match or are nested too deeply, or an
            array that is too large for any memory.
    """
    if not text.isascii():
        raise ValueError("the program's text is not ASCII")
    at, opened = 0, list[str]()
    for token in _TOKENS.finditer(text):
        if token.start() != at:
            break
        at = token.end()
        if token["shape"]:
            _check_size(token["shape"], _MOST_ELEMENTS)
        elif (last := text[at - 1]) in "([{<":
            opened.append(last)
        elif last in ")]}>" and at - token.start() == 1 and _OPENED_BY[last] != _last_of(opened):
            raise ValueError(f"a bracket of the program at {at:,} does not match")
        if len(opened) > _DEEPEST:
            raise ValueError(f"brackets of the program are nested {len(opened)} deep")
    if at != len(text):
        raise ValueError(f"the program has unexpected text at {at:,}: {text[at : at + 40]!r}")
    if opened:
        raise ValueError("the program ends inside brackets")
    for option in _OPTION.finditer(text):
        _check_size(option[1], _MOST_IN_OPTION)


def _last_of(opened: list[str]) -> str:
    return opened.pop() if opened else ""


def _check_size(shape: str, most: int) -> None:
    if math.prod(int(size) for size in shape.split("x") if size.isdigit()) > most:
        raise ValueError(f"the program has an array of {shape[:60]} elements")
