"""torch.compile: an eager and a compiled training step, and the extra time of the first compiled epoch.

One thread, mode ``all``, each measurement in its own process, with cold and warm caches of the compiler.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Results, interleaved, one_thread, ratios, run_python, seconds
from benchmarks.noise_overhead import MODELS, training_of
from sweeps.engine.ray_session import ALLOCATOR

NAMES = ("MLP shallow", "CNN2", "LSTM")
_ROUNDS = 3
# The fastest of these epochs counts.
_EPOCHS = 6


def main(model: str, way: str) -> None:
    """Print the seconds of the first epoch, compilation included, and of one after it."""
    with one_thread():
        training = training_of(model, "all")
        if way == "compiled":
            training.task.model.compile()
        first = seconds(training._train_epoch)
        after = min(seconds(training._train_epoch) for _ in range(_EPOCHS))
    print(json.dumps([first, after]))


def measure(model: str, way: str, cache: Path) -> tuple[float, float]:
    """Milliseconds per step, and the extra seconds of the first epoch."""
    arguments = ("-m", "benchmarks.compiled", model, way)
    _, printed = run_python(
        *arguments, cwd=cache, TORCHINDUCTOR_CACHE_DIR=str(cache / "compiler"), **ALLOCATOR
    )
    first, after = json.loads(printed.splitlines()[-1])
    return 1000 * after / MODELS[model][2], first - after


def run(names: list[str] | None = None) -> Results:
    results = Results("compiled")
    for model in names or NAMES:
        cold: list[float] = []
        warm: list[float] = []

        def written(model: str = model) -> float:
            return measure(model, "as written", Path(tempfile.gettempdir()))[0]

        def compiled(model: str = model, cold: list[float] = cold, warm: list[float] = warm) -> float:
            with tempfile.TemporaryDirectory() as folder:
                cold.append(measure(model, "compiled", Path(folder))[1])
                step, extra = measure(model, "compiled", Path(folder))
            warm.append(extra)
            return step

        taken = interleaved({"as written": written, "compiled": compiled}, _ROUNDS)
        for name, times in taken.items():
            results.add(model, f"{name}, ms a step", times)
        results.add(model, "compiled / as written", ratios(taken["compiled"], taken["as written"]))
        results.add(model, "compilation, seconds", cold)
        results.add(model, "compilation from caches, seconds", warm)
    return results


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
