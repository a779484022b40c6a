"""Plain lines of a CSV of time, ID, payload and label, from bytes to columns in one compiled pass.

Most lines of most tables are plain: nothing but digits between the commas. Whatever else a line may hold is none of
this module's business: it says which lines it understood, and the others are read as strings.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST_EXACT = 1 << 53  # integers up to here, and powers of ten up to 10^22, are doubles, and so is their quotient
POWERS = 10.0 ** np.arange(16)
NO_DIGIT = 255
HEX = np.full(256, NO_DIGIT, np.uint8)
HEX[[ord(digit) for digit in "0123456789abcdefABCDEF"]] = [*range(16), *range(10, 16)]


def plain_lines(chunk: bytes, order: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Read the lines of a chunk that are plain.

    Args:
        chunk: n whole lines. order: of each of the table's columns, 0 for time, 1 for ID, 2 for payload, 3 for label.

    Returns:
        (n + 1,) where each line starts; (n,) bool, whether it is plain; the frame table's columns, with what is of no
        meaning where a line is not.
    """
    text = np.frombuffer(chunk, np.uint8)
    n = np.count_nonzero(text == ord("\n"))  # several times as fast as to count in bytes
    columns = {
        "timestamp": np.empty(n, np.float64),
        "arbitration_id": np.empty(n, np.uint32),
        "is_extended": np.empty(n, np.bool_),
        "dlc": np.empty(n, np.uint8),
        "payload": np.zeros((n, 8), np.uint8),
        "attack": np.empty(n, np.bool_),
    }
    start, plain = np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    _scan(text, np.array(order), HEX, POWERS, start, plain, *columns.values())
    return start, plain, columns


@njit(cache=True, nogil=True)
def _scan(text, order, digit_of, powers, start, plain, timestamp, arbitration_id, is_extended, dlc, payload, attack):
    comma, end, point, zero, nine = ord(","), ord("\n"), ord("."), ord("0"), ord("9")
    at = 0
    for line in range(len(plain)):
        start[line] = at
        good = True
        for place in range(len(order)):
            field, first = order[place], at
            if field == 0:
                mantissa, decimals, digits = np.int64(0), np.int64(-1), np.int64(0)
                while True:
                    byte = text[at]
                    if zero <= byte <= nine and digits < 18:
                        mantissa = 10 * mantissa + (byte - zero)
                        digits += 1
                        decimals += decimals >= 0
                    elif byte == point and decimals < 0 and digits:
                        decimals = 0
                    else:
                        break
                    at += 1
                good = digits > 0 and 0 < decimals < len(powers) and mantissa < LARGEST_EXACT
                if good:
                    timestamp[line] = mantissa / powers[decimals]
            elif field == 1:
                number = np.int64(0)
                while digit_of[text[at]] != NO_DIGIT and at - first < 9:
                    number = 16 * number + digit_of[text[at]]
                    at += 1
                good = 0 < at - first < 9 and number < 1 << 29
                arbitration_id[line] = number
                is_extended[line] = number > 0x7FF or at - first == 8
            elif field == 2:
                count = 0
                while count < 8 and digit_of[text[at]] != NO_DIGIT and digit_of[text[at + 1]] != NO_DIGIT:
                    payload[line, count] = 16 * digit_of[text[at]] + digit_of[text[at + 1]]
                    count += 1
                    at += 2
                dlc[line] = count
            else:
                good = text[at] == zero or text[at] == zero + 1
                attack[line] = text[at] != zero
                at += good
            if not good or text[at] != (end if place == len(order) - 1 else comma):
                good = False
                break
            at += 1
        plain[line] = good
        if not good:
            while text[at] != end:
                at += 1
            at += 1
    start[len(plain)] = at
