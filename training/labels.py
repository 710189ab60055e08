"""The five outputs, and the rows of the manifest that answer each question."""

import numpy as np
import pandas as pd

LABELS = ["Pneumonia", "COVID-19", "Bacterial", "Viral", "COVID-19 given pneumonia"]
PNEUMONIA, COVID = 0, 1
CAUSES = slice(2, 5)
BACTERIAL, VIRAL, COVID_GIVEN = 0, 1, 2
UNKNOWN = -1
# The findings of ChestX-ray14 (Wang et al. 2017). They are learned beside the labels, so that features of adult lungs
# form. They are not exported.
AUXILIARY = [
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia",
    "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumothorax", "Pneumonia",
]
# Sources with one class only. The network could recognise them by their look, so they count less for Pneumonia.
ONE_CLASS = ("cxnet", "hannover")
ONE_CLASS_WEIGHT = 0.3

# Sources that came into the manifest after the bundled model was trained. It is reproduced without them.
LATER = ("rsna",)

# Other labels of ChestX-ray14 can look like pneumonia, so they are neither positives nor negatives for it.
NIH_ANSWERS_PNEUMONIA = {"Pneumonia": 1, "No Finding": 0}


def read_manifest(data):
    """The frontal X-rays of the manifest without duplicates. `data` is the folder of manifest.csv.

    Adds the columns `pneumonia` and `covid` (0, 1, or -1 if the row does not answer) and `cause`
    (0 bacterial, 1 viral other than COVID-19, 2 COVID-19, or -1).
    """
    rows = pd.read_csv(f"{data}/manifest.csv", low_memory=False)
    rows = rows[~rows.source.isin(LATER)]
    frontal = (rows.modality == "X-ray") & (rows.view != "L")
    rows = rows[frontal & rows.duplicate_of.isna()].reset_index(drop=True)
    answers = [answer(source, finding) for source, finding in zip(rows.source, rows.finding)]
    rows[["pneumonia", "covid", "cause"]] = np.array(answers, dtype=np.int64)
    return rows


def answer(source, finding):
    """The answers (pneumonia, covid, cause) of one row."""
    if source == "nih":
        return nih_answer(set(str(finding).split("|")))
    if finding == "No Finding":
        return 0, 0, UNKNOWN
    if not str(finding).startswith("Pneumonia"):
        return UNKNOWN, UNKNOWN, UNKNOWN
    if finding == "Pneumonia":
        return 1, UNKNOWN, UNKNOWN
    if finding.endswith("COVID-19"):
        return 1, 1, COVID_GIVEN
    if "/Bacterial" in finding:
        return 1, 0, BACTERIAL
    return 1, 0, VIRAL if "/Viral" in finding else UNKNOWN


def nih_answer(names):
    """The answers of a row of ChestX-ray14. It was collected before 2020, so every row is negative for COVID-19."""
    for name, value in NIH_ANSWERS_PNEUMONIA.items():
        if name in names:
            return value, 0, UNKNOWN
    return UNKNOWN, 0, UNKNOWN


def auxiliary(rows):
    """The auxiliary findings, int64 [n, 14]: 0 or 1, and -1 in rows of other sources than nih."""
    found = np.full((len(rows), len(AUXILIARY)), UNKNOWN)
    for i, (source, finding) in enumerate(zip(rows.source, rows.finding)):
        if source == "nih":
            names = set(str(finding).split("|"))
            found[i] = [name in names for name in AUXILIARY]
    return found


def pneumonia_weights(rows):
    """The weight of each row in the loss of Pneumonia, float32 [n]."""
    return np.where(rows.source.isin(ONE_CLASS), ONE_CLASS_WEIGHT, 1).astype(np.float32)


def sampling_weights(rows):
    """The chance of each row. Rare (source, answers) groups are drawn more often: count^-0.6, normalised to sum 1."""
    group = rows.groupby(["source", "pneumonia", "covid", "cause"]).path.transform("count")
    weight = group.to_numpy(float) ** -0.6
    return weight / weight.sum()
