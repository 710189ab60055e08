"""Fits, measures and writes the detector of undeclared negatives: frontal chest films that were saved bone-black.

    python -m training.polarity --data ../shared/data

Writes `weights/polarity.bin`, `weights/polarity.md`, and `tests/data/polarity.json`: the answers that the Rust program must
give for made pictures. A small network f gives one number for a thumbnail x. Thumbnails hold ranks
(`polarity_data.thumbnail`), so the negative's thumbnail is exactly −x. A softmax over f(x), f(−x) and 0 gives the
probabilities that x is a film, the negative of a film, or neither. Because the same network scores x and −x, the answer for
a negative mirrors the answer for the film. A picture is turned only if the second probability is at least the threshold.
"""

import argparse
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from scipy.stats import beta
from torch import nn

from .data import read_grey
from .polarity_data import CELLS, no_films, reduced, spoiled, thumbnail

SEED = 11
WIDTHS = (8, 16, 32)
FILM, NEGATIVE, NEITHER = range(3)
DRAWS = 48_000
EPOCHS, BATCH, RATE, DECAY = 12, 256, 6e-3, 1e-3
# The trainings without one archive are shorter, so their figures are too low rather than too high.
LEFT_OUT_EPOCHS = 5
# The largest shares that may be turned wrongly in validation: of whole films, of spoiled films, and of pictures that are no
# films. The last were drawn to be as similar to films as possible.
FALSE_ALARMS, SPOILED_ALARMS, NO_FILMS_TURNED = 0.0025, 0.01, 0.03
SPOILED_TIMES = 2
# nih and rsna are one archive, with patients in common.
ARCHIVES = {"nih": "nih and rsna", "rsna": "nih and rsna"}


class Detector(nn.Module):
    """f: three 3 × 3 convolutions of stride 2, then one number from the remaining 4 × 4 × 32. It has 6,401 weights."""

    def __init__(self):
        super().__init__()
        channels = (1, *WIDTHS)
        pairs = zip(channels, channels[1:])
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairs)
        self.last = nn.Linear(WIDTHS[-1] * (CELLS // 8) ** 2, 1)

    def forward(self, x):
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        return self.last(x.flatten(1))[:, 0]

    def logits(self, x):
        """The logits [n, 3] of film, negative and neither, for thumbnails [n, 32, 32]."""
        film, negative = self(x[:, None]), self(-x[:, None])
        return torch.stack([film, negative, torch.zeros_like(film)], 1)


def fit(films, others, epochs=EPOCHS):
    """Trains a detector on thumbnails of films (bone white) and of pictures that are no films."""
    torch.manual_seed(SEED)
    x = torch.from_numpy(np.concatenate([films, others]))
    label = torch.cat([torch.full([len(films)], FILM), torch.full([len(others)], NEITHER)])
    model = Detector()
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * (len(x) // BATCH))
    for epoch in range(epochs):
        total = 0.0
        batches = torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH)
        for some in batches:
            loss = nn.functional.cross_entropy(model.logits(x[some]), label[some])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / len(batches):.4f}", flush=True)
    return model.eval()


@torch.no_grad()
def negative_shares(model, thumbnails):
    """The probability that each thumbnail is the negative of a film, float64 [n]."""
    logits = torch.cat([model.logits(some) for some in torch.from_numpy(thumbnails).split(4096)])
    return logits.double().softmax(1)[:, NEGATIVE].numpy()


def read_rows(data):
    """The manifest without duplicates, with the columns `thumbnail`, `film` (reduced) and `kind` (frontal, lateral or CT)."""
    rows = pd.read_csv(f"{data}/cxr/manifest.csv", low_memory=False)
    rows = rows[rows.duplicate_of.isna()].reset_index(drop=True)
    rows["kind"] = np.where(rows.modality != "X-ray", "CT", np.where(rows["view"] == "L", "lateral", "frontal"))
    rows["archive"] = rows.source.replace(ARCHIVES)

    def seen(path):
        values = read_grey(f"{data}/cxr/{path}")
        return thumbnail(values), reduced(values)

    with ThreadPoolExecutor(2) as pool:
        rows["thumbnail"], rows["film"] = zip(*pool.map(seen, rows.path))
    return rows


def spoiled_films(rows, rng):
    """(thumbnails, archives) of DRAWS rows. Rows of rare sources are drawn more often, and each draw is spoiled anew."""
    weight = rows.groupby("source").path.transform("count").to_numpy(float) ** -0.6
    drawn = rows.iloc[rng.choice(len(rows), DRAWS, p=weight / weight.sum())]
    return np.stack([spoiled(film, rng) for film in drawn.film]), drawn.archive.to_numpy()


def threshold(model, rows, others, rng):
    """The lowest of 0.5, 0.55 … that turns no more wrongly than the three shares above."""
    whole = negative_shares(model, np.stack(list(rows.thumbnail)))
    again = negative_shares(model, np.stack([spoiled(film, rng) for film in rows.film for _ in range(SPOILED_TIMES)]))
    limits = [(whole, FALSE_ALARMS), (again, SPOILED_ALARMS), (negative_shares(model, others), NO_FILMS_TURNED)]
    for at in np.arange(0.5, 1, 0.05):
        if all((shares >= at).mean() <= most for shares, most in limits):
            return round(float(at), 2)
    raise SystemExit("every threshold turns too many wrongly")


def rate(found):
    """(count, n, share, low, high), with the 95 % interval of Clopper and Pearson 1934."""
    k, n = int(np.sum(found)), len(found)
    low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return k, n, k / n, float(low), float(high)


def measured(model, at, thumbnails):
    """The rates of negatives found and of films turned."""
    thumbnails = np.stack(list(thumbnails))
    return {"found": rate(negative_shares(model, -thumbnails) >= at), "turned": rate(negative_shares(model, thumbnails) >= at)}


def say(name, figures):
    words = [f"{what} {k}/{n} = {100 * share:.2f} % ({100 * low:.2f}–{100 * high:.2f})"
             for what, (k, n, share, low, high) in figures.items()]
    print(f"{name:44} {'   '.join(words)}", flush=True)
    return {"on": name, **{what: dict(zip(("count", "n", "share", "low", "high"), values)) for what, values in figures.items()}}


def figures(model, at, rows, data):
    """All figures of the card: for test films, and for pictures that are no frontal films."""
    frontal = rows[rows.kind == "frontal"]
    test = frontal[frontal.split == "test"]
    found = [say("test", measured(model, at, test.thumbnail))]
    for column in ("source", "view", "rsna_class"):
        for value, some in test.groupby(column):
            found.append(say(f"test, {column} {value}", measured(model, at, some.thumbnail)))
    rng = np.random.default_rng(SEED + 3)
    for name, spoil in spoilings().items():
        some = test.iloc[rng.choice(len(test), 1000, replace=False)]
        found.append(say(f"test, {name}", measured(model, at, [spoil(film, rng) for film in some.film])))
    for kind in ("lateral", "CT"):
        some = np.stack(list(rows[rows.kind == kind].thumbnail))
        found.append(say(f"{kind}, all", {"turned": rate(negative_shares(model, some) >= at),
                                          "turned in the negative": rate(negative_shares(model, -some) >= at)}))
    for folder in ("fullres",):
        names = [name for name in sorted(os.listdir(f"{data}/{folder}")) if not name.endswith(".csv")]
        whole = [thumbnail(read_grey(f"{data}/{folder}/{name}")) for name in names]
        found.append(say(folder, measured(model, at, whole)))
    return found


def spoilings():
    """Changes that films may have gone through, one at a time; each is a function from uint8 [h, w] to a thumbnail."""
    def bordered(film, shade):
        h, w = film.shape
        return np.pad(film, ((h // 8, h // 8), (w // 5, w // 5)), constant_values=shade)

    def box(film, rng, share):
        h, w = (int(side * share) for side in film.shape)
        y, x = (int(rng.integers(0, side - part + 1)) for side, part in zip(film.shape, (h, w)))
        return film[y : y + h, x : x + w]

    def clipped(film):
        low, high = np.quantile(film, [0.3, 0.7])
        return film.clip(low, high)

    def spoil(change):
        return lambda film, rng: thumbnail(np.asarray(change(film, rng), dtype=np.float32))

    changes = {
        "mirrored": lambda film, _: film[:, ::-1],
        "on its side": lambda film, rng: np.rot90(film, rng.choice([1, 3])),
        "upside down": lambda film, _: np.rot90(film, 2),
        "a box of 70 %": lambda film, rng: box(film, rng, 0.7),
        "a box of 50 %": lambda film, rng: box(film, rng, 0.5),
        "within black": lambda film, _: bordered(film, 0),
        "within white": lambda film, _: bordered(film, 255),
        "within grey": lambda film, _: bordered(film, 128),
        "clipped at 30 and 70 %": lambda film, _: clipped(film),
        "in eight levels": lambda film, _: film // 32,
    }
    return {name: spoil(change) for name, change in changes.items()} | {"spoiled at random": spoiled}


def left_out(rows, films, archives, others, at):
    """Figures for all films of each archive, of any split and licence, by a detector that saw none of them."""
    found = []
    for archive, own in rows[rows.kind == "frontal"].groupby("archive"):
        model = fit(films[archives != archive], others, LEFT_OUT_EPOCHS)
        found.append(say(f"{archive}, left out of training", measured(model, at, own.thumbnail)))
    return found


def training_rows(rows):
    return rows[(rows.kind == "frontal") & (rows.split == "train") & (rows.licence_permissive == "yes")]


def save(model, folder):
    """Writes little-endian float32: weights [out, in, 3, 3] and biases of each convolution, then those of the last layer.

    Returns the SHA-256 of the file.
    """
    values = [value.detach().numpy().ravel() for value in model.state_dict().values()]
    content = np.concatenate(values).astype("<f4").tobytes()
    with open(f"{folder}/polarity.bin", "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def made_picture(kind):
    """A picture of whole numbers from 0 to 4095, [150, 131], which Rust can compute exactly."""
    y, x = np.mgrid[0:150, 0:131]
    if kind == "pattern":
        return (x * x * 7 + y * y * 3 + x * y * 11) % 4096
    # A synthetic trunk: a bright body on a dark ground, brighter downwards, with two dark lungs.
    lungs = (np.abs(np.abs(2 * x - 130) - 56) < 38) & (np.abs(2 * y - 130) < 90)
    body = np.abs(2 * x - 130) < 118
    return np.where(body, np.where(lungs, 900, 2600) + 4 * y + (x * 7 + y * 13) % 50, 30)


def parity(model, at, path):
    """Writes, for each made picture and its negative: cells of the thumbnail, two logits, and whether it is turned."""
    cases = []
    for kind in ("pattern", "trunk"):
        for sign in (1, -1):
            seen = thumbnail(sign * made_picture(kind).astype(np.float32))
            with torch.no_grad():
                logits = model.logits(torch.from_numpy(seen)[None])[0].tolist()
            cases.append({"kind": kind, "negative": sign < 0, "thumbnail": seen[::5, ::7].ravel().tolist(),
                          "film": logits[FILM], "negative_of_a_film": logits[NEGATIVE],
                          "turned": bool(negative_shares(model, seen[None])[0] >= at)})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"made_by": "python -m training.polarity", "cases": cases}, file, indent=1)


CARD = """# polarity.bin

The weights of a network that tells the negative of a frontal chest film (bone black) from the film: see
`src/imaging/polarity.rs`. 6,401 little-endian float32, written with this page by `python -m training.polarity`.
SHA-256 `{sha256}`.
A picture is turned if the probability of *negative* is at least {threshold}, chosen on the validation split.

Fitted on {images} frontal films of {patients} patients, each changed in many ways, of the training split and under licences that let
derived weights be given away: NIH ChestX-ray14 and its RSNA 2018 part, Kermany et al. 2018 (CC BY 4.0), Winther et al. 2020, Hannover
(CC BY 3.0), COVID-CXNet (CC BY 4.0), Cohen et al. 2020 (the permissive part); and on {no_films} pictures that are no chest
films: photographs of scikit-image and gradio, slices of pydicom's test files, drawn pictures, drawn
limbs, skulls and trunks. MIT OR Apache-2.0 for what was added here; attribution is due to these sources.

Measured with exact 95 % intervals (Clopper and Pearson); all figures are in `training/log/polarity.json`. *Found*: negatives that
are turned back. *Turned*: unchanged pictures of the data that are turned. Of the data's 13,912 frontal films three are turned, and all
three are negatives in the archive itself: `nih/89f80a92c14c`, `nih/fb5416b2fe6b`, `rsna/2193ba1a678f`. *Left out*: all films of an
archive, by a detector that saw none of them and was trained for 5 epochs instead of 12. All children are in kermany. There were no
real radiographs of other parts of the body to measure. Of lateral films and CT slices whose files do not state their kind, a few are
turned. The test split was opened twice: a first detector found 92.5 % of it and turned none. Borders, epochs and threshold were
changed after that, so the figures on the test split are not those of unseen films. Left-out archives have the same threshold.

| on | found | turned |
|---|---|---|
"""


def card(summary):
    def cell(row, name):
        value = row.get(name)
        return value and (f"{value['count']} of {value['n']}: {100 * value['share']:.2f} % "
                          f"({100 * value['low']:.2f}–{100 * value['high']:.2f})") or ""

    rows = [f"| {row['on']} | {cell(row, 'found')} | {cell(row, 'turned')} |\n" for row in summary["measurements"]]
    return CARD.format(**summary) + "".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of cxr/ and fullres/")
    parser.add_argument("--out", default="weights")
    parser.add_argument("--log", default="training/log")
    given = parser.parse_args()
    # More threads would wait for each other, and would add numbers in another order.
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    rows = read_rows(given.data)
    training = training_rows(rows)
    films, archives = spoiled_films(training, rng)
    others, unseen = no_films(rng)
    model = fit(films, others)
    validation = rows[(rows.kind == "frontal") & (rows.split == "val")]
    at = threshold(model, validation, unseen, rng)
    sha256 = save(model, given.out)
    parity(model, at, "tests/data/polarity.json")
    print(f"threshold {at}, sha256 {sha256}")
    found = figures(model, at, rows, given.data) + left_out(rows, films, archives, others, at)
    summary = {"sha256": sha256, "threshold": at, "images": len(training), "patients": int(training.patient.nunique()),
               "no_films": len(others), "measurements": found}
    with open(f"{given.log}/polarity.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    with open(f"{given.out}/polarity.md", "w", encoding="utf-8") as file:
        file.write(card(summary))


if __name__ == "__main__":
    main()
