"""Small datasets that can be learned, in the form of the real ones."""

from pathlib import Path

import numpy as np

PRAISE, BLAME = ("good", "great", "fine", "superb"), ("bad", "dull", "poor", "awful")
FILLERS = ("the", "film", "was", "and", "a", "plot", "with", "actors")
NAMES = {
    "PER": ("Anna", "Smith"),
    "ORG": ("Acme", "Bank"),
    "LOC": ("Paris", "Peru"),
    "MISC": ("Welsh", "Cup"),
}
TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
VECTOR_SIZE = 10


def write_made_data(folder: Path) -> None:
    """Write every dataset."""
    grey, colour = (28, 28), (32, 32, 3)
    images = {
        "mnist": (grey, 10, "image", "label"),
        "fashion_mnist": (grey, 10, "image", "label"),
        "cifar10": (colour, 10, "img", "label"),
        "cifar100": (colour, 100, "img", "fine_label"),
    }
    for seed, (name, (shape, classes, image, label)) in enumerate(images.items()):
        # The golden losses need a generator whose stream never changes.
        random = np.random.RandomState(seed)
        templates = random.randint(0, 256, (classes, *shape))
        for split, n in (("train", 300), ("test", 60)):
            labels = random.randint(0, classes, n)
            pixels = (templates[labels] + random.randint(0, 256, (n, *shape))) // 2
            write_images_parquet(
                folder / name, split, pixels.astype(np.uint8), labels.tolist(), image=image, label=label
            )
    random = np.random.RandomState(100)
    for split, n in (("train", 300), ("test", 60)):
        reviews = [_review(random, label) for label in (0, 1) * (n // 2)]
        write_imdb_parquet(folder / "imdb", split, reviews, [0, 1] * (n // 2))
    for split, n in (("train", 200), ("validation", 40), ("test", 40)):
        write_conll_parquet(folder / "conll2003", split, [_sentence(random) for _ in range(n)])
    write_series(folder / "daily-min-temperatures" / "daily-min-temperatures.csv", random, days=600)
    write_vectors(folder / "vectors" / "made.txt", random)


def write_images_parquet(folder, split, images, labels, *, image="image", label="label") -> Path:
    """Write a split in the form of the hub's image datasets: encoded images and class labels in parquet."""
    from datasets import ClassLabel, Image
    from PIL import Image as PILImage

    rows = {image: [PILImage.fromarray(pixels) for pixels in images], label: labels}
    return _write(folder, split, rows, {image: Image(), label: ClassLabel(num_classes=100)})


def write_imdb_parquet(folder, split, reviews, labels) -> Path:
    from datasets import ClassLabel, Value

    features = {"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}
    return _write(folder, split, {"text": reviews, "label": labels}, features)


def write_conll_parquet(folder, split, sentences) -> Path:
    """Write sentences, each a list of (word, tag)."""
    from datasets import ClassLabel, List, Value

    features = {"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}
    rows = {
        "tokens": [[word for word, _ in sentence] for sentence in sentences],
        "ner_tags": [[TAGS.index(tag) for _, tag in sentence] for sentence in sentences],
    }
    return _write(folder, split, rows, features)


def write_series(file: Path, random, days: int) -> None:
    """Write a yearly wave with noise, like the temperatures."""
    import pandas as pd

    t = np.arange(days)
    values = 11 + 4 * np.cos(2 * np.pi * t / 365) + random.randn(days)
    dates = pd.date_range("1981-01-01", periods=days).strftime("%Y-%m-%d")
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"Date": dates, "Temp": values.round(1)}).to_csv(file, index=False)


def write_vectors(file: Path, random) -> None:
    """Write word vectors in the form of GloVe's files, which have no header."""
    words = [*PRAISE, *BLAME, *FILLERS, *(name.lower() for names in NAMES.values() for name in names)]
    rows = [f"{word} {' '.join(f'{x:.5f}' for x in random.randn(VECTOR_SIZE))}" for word in words]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n")


def _review(random, label: int) -> str:
    pool = (*FILLERS, *(PRAISE if label else BLAME))
    words = random.choice(pool, random.randint(3, 40)).tolist()
    return " ".join(words[:2]).capitalize() + "<br /><br />" + " ".join(words[2:]) + "."


def _sentence(random) -> list[tuple[str, str]]:
    words = [(word, "O") for word in random.choice(FILLERS, random.randint(1, 12))]
    for kind in random.choice(list(NAMES), random.randint(1, 3)):
        first, second = NAMES[kind]
        words += [(first, f"B-{kind}"), (second, f"I-{kind}"), (str(random.choice(FILLERS)), "O")]
    return [(str(word), tag) for word, tag in words]


def _write(folder: Path, split: str, rows, features) -> Path:
    from datasets import Dataset, Features

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split}-00000-of-00001.parquet"
    Dataset.from_dict(rows, features=Features(features)).to_parquet(path)
    return path
