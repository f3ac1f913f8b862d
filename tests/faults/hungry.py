"""A driver of its own: digits, of which two trials take all memory at their first attempt."""

import sys
from pathlib import Path

import numpy as np

from sweeps import load_spec, run
from trainables import register, registry

_MOST_BYTES = 16 * 2**30
_TIMES = 2


class Hungry(registry.get("digits")):
    """Digits; ``data_dir`` is where it notes who has eaten."""

    name = "hungry"

    def task(self, hyperparameters, device, split_seed):
        task = super().task(hyperparameters, device, split_seed)
        batches, epochs = task.batches, [0]

        def eating(batch_size, order):
            epochs[0] += 1
            for index, batch in enumerate(batches(batch_size, order)):
                if (epochs[0], index) == (4, 3):
                    self._eat()
                yield batch

        task.batches = eating
        return task

    def _eat(self) -> None:
        folder = Path(self.data_dir)
        if len(list(folder.iterdir())) >= _TIMES:
            return
        (folder / str(np.random.SeedSequence().entropy)).touch()
        eaten = []
        for _ in range(0, _MOST_BYTES, 2**28):
            eaten.append(np.ones(2**28, dtype=np.uint8))
        raise AssertionError("nobody minded")


if __name__ == "__main__":
    register(Hungry)
    file, storage, marker = sys.argv[1:]
    result = run(load_spec(file, ["trainable=hungry", f"data_dir={marker}"]), storage=storage)
    sys.exit(0 if result.complete else 130)
