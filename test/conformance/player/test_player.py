# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""The player's own tests: a comparison that finds nothing would pass any server."""

import io
import unittest

from . import bytes_spec, compare, families, http_wire, typed


class Comparison(unittest.TestCase):
    def found(self, expected, actual, server="nereid"):
        return len(compare.differences(expected, actual, server))

    def test_finds_what_differs(self):
        same = {"status": 200, "json": {"a": [1, 2.0, "x", True, None]}}
        self.assertEqual(self.found(same, same), 0)
        for other in (
            {"status": 400, "json": same["json"]},
            {"status": 200},
            {**same, "more": 1},
            {"status": 200, "json": {"a": [1, 2.0, "x", True]}},
            {"status": 200, "json": {"a": [1, 2, "x", True, None]}},
            {"status": 200, "json": {"a": [1, 2.0, "x", 1, None]}},
            {"status": 200, "json": {"a": [1, 2.0000000000000004, "x", True, None]}},
        ):
            with self.subTest(other=other):
                self.assertEqual(self.found(same, other), 1)

    def test_tells_zero_from_negative_zero(self):
        self.assertEqual(self.found(0.0, -0.0), 1)

    def test_matchers(self):
        self.assertEqual(self.found({"$regex": "a.c"}, "a\nc"), 0)
        self.assertEqual(self.found({"$regex": "a.c"}, "abcd"), 1)
        self.assertEqual(self.found({"$any": [400, 431]}, 431), 0)
        self.assertEqual(self.found({"$any": [400, 431]}, 500), 1)
        self.assertEqual(self.found({"$server": {"triton": 1, "nereid": 2}}, 2), 0)
        self.assertEqual(self.found({"$server": {"triton": 1, "nereid": 2}}, 2, "triton"), 1)

    def test_masks_keep_the_type(self):
        answer = {"a": [{"ns": 5, "count": 1}, {"ns": "5", "count": 1}], "b": 1}
        masked = compare.apply_masks(answer, {"mask": ["a.*.ns"], "ignore": ["b"]})
        self.assertEqual(masked, {"a": [{"ns": "<int>", "count": 1}, {"ns": "<str>", "count": 1}]})


class Families(unittest.TestCase):
    def test_a_family_changes_only_what_it_names(self):
        expected = {"status": 500, "error": "failed to parse the request JSON buffer: x"}
        adapted = families.adapt(expected, ("nereid", "native"))
        self.assertEqual(adapted["status"], 400)
        self.assertIs(families.adapt(expected, ("triton",)), expected)
        other = {"status": 500, "error": "the backend failed"}
        self.assertIs(families.adapt(other, ("nereid",)), other)


class Bytes(unittest.TestCase):
    def test_specs(self):
        spec = ["a", {"hex": "00"}, {"repeat": {"INT32": [1]}, "count": 2}, {"cut": "xyz", "to": 1}]
        self.assertEqual(bytes_spec.to_bytes(spec), b"a\0\1\0\0\0\1\0\0\0x")
        self.assertEqual(bytes_spec.to_bytes({"BYTES": ["ab", ""]}), b"\2\0\0\0ab\0\0\0\0")

    def test_a_recorded_tensor_packs_to_the_same_bytes(self):
        for datatype, data in (
            ("FP32", b"\0\0\xc0\x7f"),
            ("FP32", b"\0\0\0\x80"),
            ("BYTES", b"\1\0\0\0\xff"),
            ("BYTES", b"\2\0\0\0a"),
            ("BF16", b"\x80\x3f"),
            ("INT64", b"\1\2\3"),
        ):
            with self.subTest(datatype=datatype, data=data):
                recorded = bytes_spec.describe_tensor(datatype, data)
                self.assertEqual(bytes_spec.to_bytes(recorded), data)

    def test_numbers_become_values_of_their_type(self):
        output = {"datatype": "FP32", "data": [0.1, 1, 1e39]}
        data = typed.typed_output(output)["data"]
        self.assertEqual(data, [0.10000000149011612, 1.0, {"float": "inf"}])
        self.assertIsInstance(data[1], float)


class Http(unittest.TestCase):
    def answer(self, raw):
        return http_wire.describe(*http_wire.read_answer(io.BytesIO(raw)))

    def test_reads_both_kinds_of_bodies(self):
        plain = b'HTTP/1.1 400 Bad\r\nContent-Length: 13\r\n\r\n{"error":"x"}'
        chunked = b'HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{"error":"x"}\r\n0\r\n\r\n'
        self.assertEqual(self.answer(plain), {"status": 400, "error": "x"})
        self.assertEqual(self.answer(chunked), {"status": 400, "error": "x"})

    def test_reads_events(self):
        self.assertEqual(http_wire.describe_events(b'data: {"a":1}\n\ndata: [2]\n\n'), [{"a": 1}, [2]])
        self.assertEqual(http_wire.describe_events(b""), [])
        self.assertEqual(http_wire.describe_events(b'data: {"a":1}'), ["<cut off>"])
        self.assertEqual(http_wire.describe_events(b'{"a":1}\n\n'), ['{"a":1}'])

    def test_a_cut_answer_is_no_answer(self):
        with self.assertRaises(EOFError):
            self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
        self.assertEqual(self.answer(b""), {"closed": True})

    def test_splits_binary_outputs(self):
        head = b'{"outputs":[{"name":"o","datatype":"INT8","shape":[1],"parameters":{"binary_data_size":1}}]}'
        raw = b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n%s\5\6"
        described = self.answer(raw % (len(head), len(head) + 2, head))
        self.assertEqual(described["binary"], [{"INT8": [5]}])
        self.assertEqual(described["left_over_bytes"], 1)


if __name__ == "__main__":
    unittest.main()
