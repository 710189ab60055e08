"""The outputs of the network, and the rows of the manifest that answer each question."""

import numpy as np
import pandas as pd

# The outputs of the network, in order: pneumonia, and its cause.
OUTPUTS = ["Pneumonia", "Bacterial", "Viral", "COVID-19 given pneumonia"]
OUTPUT_CAUSES = slice(1, 4)
# The labels of the card, in order. COVID-19 is the product of the first and the last.
LABELS = ["Pneumonia", "COVID-19", "Bacterial", "Viral", "COVID-19 given pneumonia"]
PNEUMONIA, COVID = 0, 1
CAUSES = slice(2, 5)
BACTERIAL, VIRAL, COVID_GIVEN, NOT_COVID = 0, 1, 2, 3
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
# A pneumonia that only a report names, and no radiologist of the RSNA challenge saw, counts less.
MINED_WEIGHT = 0.5
FRONTAL_VIEWS = ("PA", "AP", "AP Supine")

# Other labels of ChestX-ray14 can look like pneumonia, so they are neither positives nor negatives for it.
MINED = {"Pneumonia": 1, "No Finding": 0}
# What radiologists called the film (RSNA 2018) decides where it is known.
RADIOLOGISTS = {"Lung Opacity": 1, "Normal": 0, "No Lung Opacity / Not Normal": UNKNOWN}


def read_manifest(data):
    """The frontal X-rays of the manifest without duplicates. `data` is the folder of manifest.csv.

    Adds the columns `pneumonia` and `covid` (0, 1, or -1 if the row does not answer), `cause` (0 bacterial, 1 viral other
    than COVID-19, 2 COVID-19, 3 one of the first two, or -1), and `group`: the archive, in which nih and rsna are one.
    """
    rows = pd.read_csv(f"{data}/manifest.csv", low_memory=False)
    frontal = (rows.modality == "X-ray") & (rows.view.isin(FRONTAL_VIEWS) | rows.view.isna())
    rows = rows[frontal & rows.duplicate_of.isna()].reset_index(drop=True)
    answers = [answer(*row) for row in zip(rows.source, rows.finding, rows.rsna_class)]
    rows[["pneumonia", "covid", "cause"]] = np.array(answers, dtype=np.int64)
    rows["group"] = rows.source.replace({"rsna": "nih"})
    return rows


def answer(source, finding, rsna_class):
    """The answers (pneumonia, covid, cause) of one row."""
    if source in ("nih", "rsna"):
        # The archive was collected before 2020: none is COVID-19, and a pneumonia has another cause.
        ill = RADIOLOGISTS.get(rsna_class, mined(set(str(finding).split("|"))))
        return ill, 0, NOT_COVID if ill == 1 else UNKNOWN
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
    return 1, 0, VIRAL if "/Viral" in finding else NOT_COVID


def mined(names):
    """What the words of a report say of pneumonia."""
    return next((value for name, value in MINED.items() if name in names), UNKNOWN)


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
    weight = np.where(rows.source.isin(ONE_CLASS), ONE_CLASS_WEIGHT, 1)
    only_mined = (rows.source == "nih") & rows.rsna_class.isna() & (rows.pneumonia == 1)
    return np.where(only_mined, MINED_WEIGHT, weight).astype(np.float32)


# How often each archive and answer is drawn. Opacities and normals of nih and rsna are drawn equally often within each
# view, because the view alone would tell them apart.
SHARES = {
    ("nih", 1, "PA"): 0.11, ("nih", 1, "AP"): 0.11, ("nih", 0, "PA"): 0.11, ("nih", 0, "AP"): 0.11,
    ("nih", UNKNOWN, "PA"): 0.04, ("nih", UNKNOWN, "AP"): 0.04,
    ("kermany", 0, "PA"): 0.10, ("kermany", 1, "PA"): 0.15,
    ("cxnet", 1, "PA"): 0.03, ("cxnet", 1, "AP"): 0.07, ("hannover", 1, "PA"): 0.02, ("hannover", 1, "AP"): 0.05,
    ("ieee8023", 0, "PA"): 0.005, ("ieee8023", 0, "AP"): 0.005, ("ieee8023", 1, "PA"): 0.025, ("ieee8023", 1, "AP"): 0.025,
}


def sampling_weights(rows):
    """The chance of each row: that of its archive, answer and view by SHARES, within which causes are drawn by count^-0.5."""
    view = np.where(rows["view"].fillna("PA").str.startswith("AP"), "AP", "PA")
    key = list(zip(rows.group, rows.pneumonia, view))
    share = np.array([SHARES.get(k, 0.005) for k in key])
    key = pd.Series(key, index=rows.index).astype(str)
    own = (rows.groupby([key, "cause"]).path.transform("count") ** -0.5).to_numpy()
    within = pd.Series(own, index=rows.index).groupby(key).transform("sum").to_numpy()
    weight = share * own / within
    return weight / weight.sum()
