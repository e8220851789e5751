# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""One check of shared memory with the real client packages: shared_memory.py CHECK http|grpc ADDRESS.

Models: `m` takes IN and gives OUT, INT32[-1]; the example models digits, simple and simple_identity.
"""

import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import uuid

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
import tritonclient.utils as utils
import tritonclient.utils.shared_memory as shm

COUNT = 16384
BROKEN = "is broken: its file was shortened"


class Region:
    """An object of shared memory, registered under its own name as long as `with` lasts."""

    def __init__(self, client, byte_size, offset=0, contents=()):
        self.name = f"nereid_e2e_{uuid.uuid4().hex}"
        self.client, self.byte_size, self.offset = client, byte_size, offset
        self.handle = shm.create_shared_memory_region(self.name, "/" + self.name, offset + byte_size)
        if contents:
            shm.set_shared_memory_region(self.handle, contents, offset)

    def register(self):
        self.client.register_system_shared_memory(
            self.name, "/" + self.name, self.byte_size, self.offset
        )

    def unregister(self):
        self.client.unregister_system_shared_memory(self.name)

    def numpy(self, dtype, shape, offset=0):
        return shm.get_contents_as_numpy(self.handle, dtype, shape, self.offset + offset)

    def truncate(self, size):
        os.truncate("/dev/shm/" + self.name, size)

    def __enter__(self):
        self.register()
        return self

    def __exit__(self, *_):
        self.unregister()
        shm.destroy_shared_memory_region(self.handle)


class Client:
    def __init__(self, protocol, address):
        self.module = {"http": httpclient, "grpc": grpcclient}[protocol]
        self.client = self.module.InferenceServerClient(address)

    def input(self, name, shape, datatype, region, byte_size=None, offset=0):
        tensor = self.module.InferInput(name, shape, datatype)
        tensor.set_shared_memory(region.name, byte_size or region.byte_size, offset)
        return tensor

    def output(self, name, region=None, byte_size=None, offset=0, **options):
        tensor = self.module.InferRequestedOutput(name, **options)
        if region is not None:
            tensor.set_shared_memory(region.name, byte_size or region.byte_size, offset)
        return tensor

    def infer(self, model, inputs, outputs=None):
        return self.client.infer(model, inputs, outputs=outputs)

    def copy(self, source, target, count=COUNT):
        """Runs `m` from one region to the other."""
        tensor = self.input("IN", [1, count], "INT32", source, count * 4)
        return self.infer("m", [tensor], [self.output("OUT", target, count * 4)])


def numbers(seed, count=COUNT):
    return np.random.default_rng(seed).integers(-(2**31), 2**31, count, dtype=np.int32)


def refusal(work):
    try:
        work()
    except utils.InferenceServerException as error:
        return str(error)
    return None


def check_tensors(protocol, address):
    client = Client(protocol, address)
    values = numbers(1)
    with Region(client.client, COUNT * 4, contents=[values]) as source:
        with Region(client.client, COUNT * 4 + 100, offset=100) as target:
            # both ends in regions, one of them away from a page border
            result = client.copy(source, target)
            assert (target.numpy(np.int32, [COUNT]) == values).all()
            output = result.get_output("OUT")
            shape = output["shape"] if protocol == "http" else list(output.shape)
            assert list(shape) == [1, COUNT], shape
            if protocol == "http":
                assert output.keys() == {"name", "datatype", "shape"}, output
            # only the input
            result = client.infer("m", [client.input("IN", [1, COUNT], "INT32", source)])
            assert (result.as_numpy("OUT")[0] == values).all()
            # only the output, at an offset
            plain = client.module.InferInput("IN", [1, 3], "INT32")
            plain.set_data_from_numpy(np.array([[7, 8, 9]], dtype=np.int32))
            client.infer("m", [plain], [client.output("OUT", target, 12, 40)])
            assert target.numpy(np.int32, [3], 40).tolist() == [7, 8, 9]
            # onto itself, shifted
            tensor = client.input("IN", [1, 100], "INT32", source, 400)
            client.infer("m", [tensor], [client.output("OUT", source, 400, 40)])
            assert (source.numpy(np.int32, [100], 40) == values[:100]).all()
            # what a client gets, it may write over at once
            for seed in range(50):
                fresh = numbers(seed)
                shm.set_shared_memory_region(source.handle, [fresh])
                client.copy(source, target)
                assert (target.numpy(np.int32, [COUNT]) == fresh).all()
    assert "Unable to find shared memory region" in refusal(lambda: client.copy(source, target))


def check_models(protocol, address):
    """A model of ONNX Runtime writes into the regions what it answers otherwise."""
    client = Client(protocol, address)
    rows = 4
    image = np.random.default_rng(3).random((rows, 1, 8, 8), dtype=np.float32)
    names = [tensor["name"] for tensor in metadata(client, "digits")["outputs"]]
    input_name = metadata(client, "digits")["inputs"][0]["name"]
    plain = client.module.InferInput(input_name, list(image.shape), "FP32")
    plain.set_data_from_numpy(image)
    expected = client.infer("digits", [plain])
    with Region(client.client, image.nbytes, contents=[image]) as source:
        with Region(client.client, 4096) as target:
            tensor = client.input(input_name, list(image.shape), "FP32", source)
            outputs = [client.output(name, target, 1024, i * 1024) for i, name in enumerate(names)]
            client.infer("digits", [tensor], outputs)
            for i, name in enumerate(names):
                wanted = expected.as_numpy(name)
                assert (target.numpy(wanted.dtype, wanted.shape, i * 1024) == wanted).all(), name
            # over its own input
            client.infer("digits", [tensor], [client.output(names[0], source, 1024)])
            wanted = expected.as_numpy(names[0])
            assert (source.numpy(wanted.dtype, wanted.shape) == wanted).all()


def metadata(client, model):
    if client.module is grpcclient:
        return client.client.get_model_metadata(model, as_json=True)
    return client.client.get_model_metadata(model)


def check_strings(protocol, address):
    client = Client(protocol, address)
    texts = np.array([[str(i).encode() * i for i in range(16)]], dtype=np.object_)
    packed = utils.serialize_byte_tensor(texts)
    size = utils.serialized_byte_size(packed)
    with Region(client.client, size, contents=[packed]) as source:
        with Region(client.client, size + 64) as target:
            tensor = client.input("INPUT0", [1, 16], "BYTES", source)
            client.infer("simple_identity", [tensor], [client.output("OUTPUT0", target)])
            assert (target.numpy(np.object_, [1, 16]) == texts).all()
            short = refusal(
                lambda: client.infer(
                    "simple_identity", [tensor], [client.output("OUTPUT0", target, size - 1)]
                )
            )
            assert f"({size - 1} bytes) should be at least {size} bytes" in short, short
            # a length that points out of the tensor
            struct.pack_into("<I", source.handle._mpsm_handle.buf, 0, 2**31)
            broken = refusal(lambda: client.infer("simple_identity", [tensor]))
            assert "incomplete string data" in broken, broken


def check_stream(protocol, address):
    """The requests of one gRPC stream, each with its own part of the regions."""
    client = Client(protocol, address)
    parts, count = 20, 256
    values = numbers(4, parts * count)
    answers = queue.Queue()
    with Region(client.client, values.nbytes, contents=[values]) as source:
        with Region(client.client, values.nbytes) as target:
            client.client.start_stream(lambda result, error: answers.put((result, error)))
            for i in range(parts):
                tensor = client.input("IN", [1, count], "INT32", source, count * 4, i * count * 4)
                output = client.output("OUT", target, count * 4, i * count * 4)
                client.client.async_stream_infer("m", [tensor], outputs=[output], request_id=str(i))
            for i in range(parts):
                result, error = answers.get(timeout=60)
                assert error is None, error
                assert result.get_response().id == str(i)
                part = target.numpy(np.int32, [count], i * count * 4)
                assert (part == values[i * count : (i + 1) * count]).all(), i
            tensor = client.input("IN", [1, count], "INT32", source, count * 4)
            client.client.async_stream_infer(
                "m", [tensor], outputs=[client.output("OUT", target, count * 4 - 4)]
            )
            _, error = answers.get(timeout=60)
            assert "should be at least 1024 bytes" in str(error), error
            client.client.stop_stream()


def check_two_clients(protocol, address):
    """Each with its own regions, at once; neither sees the other's numbers."""
    failures = []

    def work(seed):
        try:
            client = Client(protocol, address)
            with Region(client.client, COUNT * 4) as source:
                with Region(client.client, COUNT * 4) as target:
                    for i in range(30):
                        values = numbers(seed * 1000 + i)
                        shm.set_shared_memory_region(source.handle, [values])
                        client.copy(source, target)
                        assert (target.numpy(np.int32, [COUNT]) == values).all()
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


class Load:
    """Threads that copy from region to region until told to stop, and note how it ended."""

    def __init__(self, protocol, address, source, target):
        self.stopped = threading.Event()
        self.good, self.errors, self.odd = 0, [], []
        self.args = (protocol, address, source, target)
        self.threads = [threading.Thread(target=self.work) for _ in range(3)]

    def work(self):
        protocol, address, source, target = self.args
        client = Client(protocol, address)
        while not self.stopped.is_set():
            try:
                client.copy(source, target)
                self.good += 1
            except utils.InferenceServerException as error:
                self.errors.append(str(error))
            except Exception as error:  # the connection, for one
                self.odd.append(repr(error))
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def wait(self, holds):
        deadline = time.monotonic() + 60
        while not holds() and not self.odd and time.monotonic() < deadline:
            time.sleep(0.002)
        assert holds(), (self.good, self.errors[-3:], self.odd)

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        assert not self.odd, self.odd


def check_unregister_under_load(protocol, address):
    client = Client(protocol, address)
    values = numbers(5)
    with Region(client.client, COUNT * 4, contents=[values]) as source:
        with Region(client.client, COUNT * 4) as target:
            with Load(protocol, address, source, target) as load:
                for _ in range(40):
                    good, refused = load.good, len(load.errors)
                    load.wait(lambda: load.good > good)
                    source.unregister()
                    load.wait(lambda: len(load.errors) > refused)
                    source.register()
            assert all("Unable to find shared memory region" in text for text in load.errors)
            assert (target.numpy(np.int32, [COUNT]) == values).all()


def check_truncate_under_load(protocol, address):
    """A file that is cut costs the requests that use it an error, and nobody else anything."""
    client = Client(protocol, address)
    values = numbers(6)
    with Region(client.client, COUNT * 4, contents=[values]) as sound:
        for cut in ("source", "target"):
            with Region(client.client, COUNT * 4, contents=[values]) as source:
                with Region(client.client, COUNT * 4) as target:
                    with Load(protocol, address, source, target) as load:
                        for size in (4096, 0):
                            good, refused = load.good, len(load.errors)
                            load.wait(lambda: load.good > good)
                            victim = source if cut == "source" else target
                            victim.truncate(size)
                            load.wait(lambda: len(load.errors) > refused)
                            client.copy(sound, sound)
                            victim.unregister()
                            victim.truncate(COUNT * 4)
                            victim.register()
                    other = [t for t in load.errors if BROKEN not in t and "Unable to find" not in t]
                    assert not other, other[:3]
                    assert any(BROKEN in text for text in load.errors)
    assert client.client.is_server_live()


def check_killed_client(protocol, address):
    """Its regions stay registered, usable and removable."""
    child = subprocess.Popen(
        [sys.executable, __file__, "endless", protocol, address], stdout=subprocess.PIPE, text=True
    )
    source = child.stdout.readline().strip()
    child.stdout.readline()  # it has had answers
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    client = Client(protocol, address)
    status = client.client.get_system_shared_memory_status()
    names = [r["name"] for r in status] if protocol == "http" else list(status.regions)
    assert source in names, names
    tensor = client.module.InferInput("IN", [1, COUNT], "INT32")
    tensor.set_shared_memory(source, COUNT * 4)
    assert (client.infer("m", [tensor]).as_numpy("OUT")[0] == numbers(8)).all()
    for name in names:
        client.client.unregister_system_shared_memory(name)
        if os.path.exists("/dev/shm/" + name):
            os.unlink("/dev/shm/" + name)


def check_endless(protocol, address):
    client = Client(protocol, address)
    with Region(client.client, COUNT * 4, contents=[numbers(8)]) as source:
        with Region(client.client, COUNT * 4) as target:
            print(source.name, flush=True)
            for turn in range(10**9):
                client.copy(source, target)
                if turn == 5:
                    print("answered", flush=True)


def check_verbs(protocol, address):
    client = Client(protocol, address).client
    with Region(client, 64) as region:
        twice = refusal(region.register)
        assert f"shared memory region '{region.name}' already in manager" in twice, twice
        rows = client.get_system_shared_memory_status(region.name)
        row = rows[0] if protocol == "http" else rows.regions[region.name]
        if protocol == "http":
            assert row == {"name": region.name, "key": "/" + region.name, "offset": 0, "byte_size": 64}
        else:
            assert (row.key, row.byte_size) == ("/" + region.name, 64)
        missing = refusal(lambda: client.get_system_shared_memory_status("none"))
        assert "Unable to find system shared memory region: 'none'" in missing, missing
        client.unregister_system_shared_memory("none")
        handle = bytes(64)
        if protocol == "http":
            import base64

            handle = base64.b64encode(handle)
        cuda = refusal(lambda: client.register_cuda_shared_memory("c", handle, 0, 64))
        assert "failed to register CUDA shared memory region: 'c', GPUs not supported" in cuda, cuda
        assert not getattr(client.get_cuda_shared_memory_status(), "regions", [])
        client.unregister_cuda_shared_memory()
        client.unregister_system_shared_memory()
        assert refusal(lambda: client.get_system_shared_memory_status(region.name))


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"](*sys.argv[2:])
