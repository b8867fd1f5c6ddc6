"""The device of a network wherever its weights rest, and parts that one thread uses at a time."""

import threading
import time
from types import SimpleNamespace

import torch
from exvideo_infer.placement import exclusive, execution_device
from torch import nn


class Network(nn.Module):
    """A linear layer that says its device, as diffusers' models do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    @property
    def device(self) -> torch.device:
        return self.layer.weight.device


def test_a_network_computes_where_it_is() -> None:
    assert execution_device(Network()) == torch.device("cpu")
    assert execution_device(Network().to("meta")) == torch.device("meta")


def test_a_hook_says_where_an_offloaded_one_computes() -> None:
    network = Network()
    network.layer._hf_hook = SimpleNamespace(execution_device="cuda:1")  # as accelerate leaves it
    assert execution_device(network) == torch.device("cuda", 1)


def test_one_thread_at_a_time_uses_a_part() -> None:
    part, inside, most = Network(), [0], [0]

    def use() -> None:
        with exclusive(part), exclusive(part):  # a thread that has it may take it again
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=use) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [1]


def test_other_parts_are_free_meanwhile() -> None:
    free = threading.Event()
    with exclusive(Network()):

        def use() -> None:
            with exclusive(Network()):
                free.set()

        thread = threading.Thread(target=use)
        thread.start()
        assert free.wait(10)
    thread.join(10)
