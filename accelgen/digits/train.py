"""``python -m accelgen.digits.train``: train the supernet of the elastic space ``digits``.

Every step trains the largest network in floating point, and then, with drawn bits, the largest, the
smallest and random ones, which also learn from the answers of the first (sandwich rule and
distillation in place: Yu and Huang 2019, arXiv 1903.05134).  All is drawn from one seed; the same
versions on the same machine give the same file.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.content import content_folder
from accelgen.digits.augment import augmented
from accelgen.digits.data import Digits, digits
from accelgen.digits.supernet import BITS, SHIPPED, Supernet, write_supernet
from accelgen.elastic.digits import DigitsLayer, DigitsSpace
from accelgen.errors import AccelgenError, InputError, MissingToolError

__all__ = ["Training", "main", "train"]

THREADS = 1
"""One: sums are then always in the same order, and layers are too small to share out."""


@dataclass(frozen=True)
class Training:
    """How to train: ``steps`` of ``batch`` images each, of which the share ``exact_share`` is in
    floating point; ``sampled`` random sub-networks per step; the largest ``rate`` of learning.
    """

    steps: int = 3000
    batch: int = 64
    seed: int = 0
    sampled: int = 2
    exact_share: float = 0.25
    rate: float = 1.2e-2

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.sampled < 0:
            raise InputError("training without steps, images or networks", hint="give 1 or more")


def train(training: Training, images: Digits, *, progress: bool = False) -> Supernet:
    """A supernet trained on ``images``; see the module.

    Raises :class:`MissingToolError` without PyTorch.
    """
    torch, net = _torch()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    space = DigitsSpace()
    drawn = np.random.default_rng(training.seed)
    largest = space.layers(space.largest)
    generator = torch.Generator().manual_seed(training.seed)
    parameters = net.initial(largest, generator)
    ranges = [value for name, value in parameters.items() if name.endswith(".most")]
    others = [value for name, value in parameters.items() if not name.endswith(".most")]
    optimiser = torch.optim.Adam([*others, *ranges], lr=training.rate)
    exact_steps = int(training.steps * training.exact_share)
    began = time.monotonic()
    for step in range(training.steps):
        if step == exact_steps:
            _set_ranges(parameters, space, images, drawn)
        done = step / training.steps
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 100)
            group["lr"] = training.rate * warm * 0.5 * (1 + math.cos(math.pi * done))
        chosen = drawn.integers(len(images), size=training.batch)
        batch = torch.from_numpy(augmented(images.images[chosen], drawn).astype(np.float32))
        labels = torch.from_numpy(images.labels[chosen])
        optimiser.zero_grad(set_to_none=True)
        taught = net.answers(parameters, largest, batch)
        loss = torch.nn.functional.cross_entropy(taught, labels)
        loss.backward()
        lesson = taught.detach().softmax(1)
        students = [space.smallest, *(_architecture(space, drawn) for _ in range(training.sampled))]
        if step >= exact_steps:
            students.append(space.largest)
        for architecture in students:
            layers = space.layers(architecture)
            bits = _bits(layers, drawn) if step >= exact_steps else None
            found = net.answers(parameters, layers, batch, bits)
            one = torch.nn.functional.cross_entropy(found, labels)
            two = torch.nn.functional.cross_entropy(found, lesson)
            ((one + two) / 2).backward()
        torch.nn.utils.clip_grad_norm_(others, 5.0)
        optimiser.step()
        if progress and (step + 1) % 100 == 0:
            spent = time.monotonic() - began
            left = spent / (step + 1) * (training.steps - step - 1)
            print(
                f"step {step + 1}/{training.steps}  loss {float(loss.detach()):.4f}"
                f"  {spent:.0f} s, {left:.0f} s left",
                file=sys.stderr,
            )
    facts = {
        "images": len(images),
        "torch": str(torch.__version__),
        **{name: getattr(training, name) for name in training.__dataclass_fields__},
    }
    return Supernet(net.exported(parameters), facts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    defaults = Training()
    parser = argparse.ArgumentParser("python -m accelgen.digits.train", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="file to write (the shipped one)")
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    chosen = parser.parse_args(arguments)
    try:
        training = Training(chosen.steps, chosen.batch, chosen.seed)
        supernet = train(training, digits("train"), progress=True)
        output = chosen.output or content_folder("mapping") / SHIPPED
        output.parent.mkdir(parents=True, exist_ok=True)
        write_supernet(output, supernet)
        _report(supernet)
    except AccelgenError as error:
        print(f"accelgen: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _torch() -> tuple[Any, Any]:
    try:
        import torch

        from accelgen.digits import torch_supernet
    except ImportError as error:
        raise MissingToolError(
            f"PyTorch cannot be imported: {error}", hint="pip install 'accelgen[train]'"
        ) from None
    return torch, torch_supernet


def _architecture(space: DigitsSpace, drawn: np.random.Generator) -> Mapping[str, int]:
    return {choice.name: int(drawn.choice(choice.values)) for choice in space.choices}


def _bits(layers: Sequence[DigitsLayer], drawn: np.random.Generator) -> dict[str, tuple[int, int]]:
    """Half of the time the same for all layers, else drawn layer by layer."""
    if drawn.random() < 0.5:
        bits = int(drawn.choice(BITS))
        return {layer.name: (bits, bits) for layer in layers}
    rows = drawn.choice(BITS, size=(len(layers), 2)).tolist()
    return {layer.name: (w, a) for layer, (w, a) in zip(layers, rows, strict=True)}


def _set_ranges(
    parameters: Mapping[str, Any],
    space: DigitsSpace,
    images: Digits,
    drawn: np.random.Generator,
) -> None:
    """First ranges, from what layers make in the largest, the smallest and 30 random networks."""
    torch, net = _torch()
    batch = torch.from_numpy(images.images[:100].astype(np.float32))
    seen: dict[str, list[Any]] = {}
    chosen = [space.largest, space.smallest, *(_architecture(space, drawn) for _ in range(30))]
    with torch.no_grad():
        for architecture in chosen:
            outputs: dict[str, Any] = {}
            net.answers(parameters, space.layers(architecture), batch, None, outputs)
            for name, value in outputs.items():
                seen.setdefault(name, []).append(value)
    net.set_ranges(parameters, seen)


def _report(supernet: Supernet) -> None:
    """Accuracies on the validation images."""
    measured = MeasuredDigits("validation", supernet)
    for name in ("smallest", "middle", "largest"):
        architecture = getattr(supernet.space, name)
        for bits in BITS:
            found = measured.accuracy(architecture, supernet.space.uniform(architecture, bits))
            print(f"{name} {bits} bits: {found}")


if __name__ == "__main__":
    raise SystemExit(main())
